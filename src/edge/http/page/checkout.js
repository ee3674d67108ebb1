// The basket, and how it becomes an order. An order has one currency; a basket with more becomes more
// orders, one after the other.

import { getProduct, getProducts } from "./api.js";
import { addressFields, markFields, readAddress, remember } from "./address.js";
import { beginCheckout, dropCheckout, finishCheckout, openCheckout } from "./attempt.js";
import * as basket from "./basket.js";
import { cardChoice, chosenCard } from "./cards.js";
import { h } from "./dom.js";
import { count, formatMoney, formatNanos } from "./format.js";
import { problemNotice } from "./notice.js";
import { stepper } from "./quantity.js";

/** The basket with what its products cost and how many there are now. */
async function refreshBasket(signal) {
    const ids = basket.lines().map((line) => line.product.id);
    if (ids.length === 0) return;
    try {
        basket.refresh((await getProducts(ids, signal)).products);
    } catch (problem) {
        // One that is missing fails the whole: ask for each.
        if (problem.reason !== "PRODUCT_NOT_FOUND") return;
        const answers = await Promise.allSettled(ids.map((id) => getProduct(id, signal)));
        if (answers.every((answer) => answer.value || answer.reason.reason === "PRODUCT_NOT_FOUND"))
            basket.refresh(answers.flatMap((answer) => answer.value ?? []));
    }
}

function lineNote({ product, quantity }) {
    if (product.isGone) return h("p", { class: "stock none" }, "No longer sold");
    return BigInt(product.available) < BigInt(quantity) &&
        h("p", { class: "stock few" }, `Only ${product.available} there`);
}

function basketLine(line) {
    return h("li", { class: "line" },
        h("div", { class: "line-name" }, h("strong", {}, line.product.name),
            h("p", { class: "hint" }, `${formatMoney(line.product.price)} each`), lineNote(line)),
        stepper(line.product),
        h("p", { class: "line-sum" }, formatNanos(basket.lineNanos(line), line.product.price.currencyCode)));
}

function totalOf(lines) {
    const nanos = lines.reduce((sum, line) => sum + basket.lineNanos(line), 0n);
    return formatNanos(nanos, lines[0].product.price.currencyCode);
}

function currencyChoice(groups, chosen) {
    return groups.size > 1 && h("fieldset", { class: "currencies" },
        h("legend", {}, "An order has one currency. Which do you order first?"),
        [...groups].map(([currency, lines]) => h("label", {},
            h("input", { type: "radio", name: "currency", value: currency, checked: currency === chosen }),
            ` ${count(lines.length, "line")} in ${currency}, ${totalOf(lines)}`)));
}

/** Keeps the focus on the same control when the lines are drawn again. */
function redraw(box, build) {
    const label = box.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    box.replaceChildren(...build().filter(Boolean));
    if (label) (box.querySelector(`[aria-label="${CSS.escape(label)}"]`) ?? box.querySelector("button"))?.focus();
}

class Checkout {
    constructor(main, { signal, go }) {
        Object.assign(this, { main, signal, go });
        this.lines = h("div", { class: "lines-box" });
        this.summary = h("div", { class: "summary-lines" });
        this.problem = h("div", {});
        this.submit = h("button", { class: "button wide" });
        this.form = h("form", { class: "checkout", novalidate: false, onsubmit: (event) => this.onSubmit(event) },
            h("div", { class: "checkout-fields" }, this.lines, addressFields(), cardChoice()),
            h("aside", { class: "summary", "aria-label": "Summary" },
                h("h2", {}, "Your order"), this.summary, this.problem, this.submit,
                h("p", { class: "hint" }, "Charged once and shipped once, or neither.")));
        this.form.addEventListener("input", () => remember(this.form));
        this.lines.addEventListener("change", (event) => event.target.name === "currency" && this.draw());
        basket.onChange(() => this.draw(), signal);
    }

    get currency() {
        const groups = basket.byCurrency();
        const chosen = this.form.querySelector('[name="currency"]:checked')?.value;
        return groups.has(chosen) ? chosen : groups.keys().next().value;
    }

    draw() {
        const groups = basket.byCurrency();
        const { currency } = this;
        if (groups.size === 0) {
            this.main.replaceChildren(h("h1", { tabindex: -1 }, "Basket"),
                h("p", { class: "empty" }, "There is nothing in it yet."),
                h("a", { class: "button", href: "#/" }, "To the catalogue"));
            return;
        }
        if (!this.form.isConnected)
            this.main.replaceChildren(h("h1", { tabindex: -1 }, "Basket"), this.form);
        redraw(this.lines, () => [currencyChoice(groups, currency),
            h("ul", { class: "lines", "aria-label": "Lines" }, [...groups.values()].flat().map(basketLine))]);
        this.drawSummary(groups.get(currency));
    }

    drawSummary(lines) {
        const items = lines.reduce((sum, line) => sum + line.quantity, 0);
        this.summary.replaceChildren(h("p", { class: "total" }, h("span", {}, count(items, "item")),
            h("strong", {}, totalOf(lines))));
        this.submit.textContent = this.isBusy ? "Sending the order…" : `Order for ${totalOf(lines)}`;
        this.submit.setAttribute("aria-disabled", Boolean(this.isBusy));
    }

    onSubmit(event) {
        event.preventDefault();
        if (this.isBusy) return;
        const lines = basket.byCurrency().get(this.currency)
            .map((line) => ({ productId: line.product.id, quantity: line.quantity }));
        remember(this.form);
        beginCheckout({ ...readAddress(this.form), lines }, chosenCard(this.form));
        this.send();
    }

    async send() {
        this.isBusy = true;
        this.problem.replaceChildren();
        this.draw();
        try {
            const order = await finishCheckout(this.signal);
            basket.remove(order.lines.map((line) => line.productId));
            this.go(`#/orders/${order.id}`);
        } catch (problem) {
            if (this.signal.aborted) return;
            this.isBusy = false;
            this.draw();
            const others = markFields(this.form, problem.fields ?? []);
            if (others.length > 0 || !problem.fields?.length) this.problem.replaceChildren(problemNotice(problem));
        }
    }
}

export async function checkout(main, page) {
    document.title = "Basket · orderd";
    const screen = new Checkout(main, page);
    if (basket.itemCount() === 0) dropCheckout();
    screen.draw();
    if (openCheckout()) screen.send(); // The page was left in the middle of it.
    else await refreshBasket(page.signal).catch(() => {}); // What is shown is as good as it was.
}
