// Orders to look up: by their id, or those of a customer, newest first.

import { listOrders } from "./api.js";
import { customerName } from "./address.js";
import { untilAnswered } from "./connection.js";
import { h } from "./dom.js";
import { count, formatDateTime, formatMoney } from "./format.js";
import { problemNotice } from "./notice.js";
import { badge } from "./steps.js";

const PAGE_SIZE = 20;

export function badgeOf(state) {
    const [tone, word] = badge(state);
    return h("span", { class: `badge ${tone}` }, word);
}

function orderRow(order) {
    const names = order.lines.map((line) => line.name).join(", ");
    return h("li", {}, h("a", { class: "order-row", href: `#/orders/${order.id}` },
        h("span", { class: "order-what" },
            h("strong", {}, names),
            h("span", { class: "hint" },
                `${formatDateTime(order.createTime)} · ${count(order.lines.length, "line")}`)),
        badgeOf(order.state),
        h("span", { class: "order-total" }, formatMoney(order.total))));
}

function searchForm(name, label, value, hint, button, onValue) {
    return h("form", {
        class: "search",
        onsubmit: (event) => {
            event.preventDefault();
            const text = new FormData(event.target).get(name).trim();
            if (text) onValue(text);
        },
    }, h("label", { for: name }, label),
    h("div", { class: "joined" },
        h("input", { id: name, name, value, placeholder: hint, required: true, autocapitalize: "none",
            autocomplete: "off", spellcheck: "false" }),
        h("button", { class: "button small" }, button)));
}

/** Appends a page of orders, and a button for the next one. */
async function addPage(box, list, customerId, pageToken, signal) {
    const answer = await untilAnswered(
        () => listOrders({ customerId, pageSize: PAGE_SIZE, pageToken }, signal), signal);
    const rows = answer.orders.map(orderRow);
    list.append(...rows);
    if (answer.nextPageToken) {
        const more = h("button", { class: "button quiet", type: "button", onclick: async () => {
            more.setAttribute("aria-disabled", "true");
            const first = await addPage(box, list, customerId, answer.nextPageToken, signal);
            more.remove();
            first?.querySelector("a").focus();
        } }, "Older orders");
        box.append(more);
    }
    return rows[0];
}

async function showOrders(box, customerId, signal) {
    const list = h("ul", { class: "orders" });
    try {
        const first = await addPage(box, list, customerId, "", signal);
        box.querySelector(".loading").replaceWith(first ? list
            : h("p", { class: "empty" }, `There are no orders of ${customerId}.`));
    } catch (problem) {
        if (!signal.aborted) box.replaceChildren(problemNotice(problem));
    }
}

export async function orders(main, { query, signal, go }) {
    const customerId = query.get("customer") ?? customerName();
    const box = h("section", { class: "orders-box", "aria-labelledby": "orders-of" },
        h("h2", { id: "orders-of" }, `Orders of ${customerId}`), h("p", { class: "loading" }, "Loading…"));

    document.title = "Orders · orderd";
    main.replaceChildren(h("h1", { tabindex: -1 }, "Orders"),
        h("div", { class: "searches" },
            searchForm("order-id", "Find an order", "", "its id", "Find",
                (id) => go(`#/orders/${encodeURIComponent(id)}`)),
            searchForm("customer-id", "Orders of", customerId, "a customer", "List",
                (id) => go(`#/orders?customer=${encodeURIComponent(id)}`))),
        box);
    await showOrders(box, customerId, signal);
}
