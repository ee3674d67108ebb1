// The catalogue: by category, page by page. Both stand in the address, so a page can be kept and sent.

import { listProducts } from "./api.js";
import { categories, titleOf } from "./categories.js";
import { untilAnswered } from "./connection.js";
import { h } from "./dom.js";
import { formatMoney } from "./format.js";
import { problemNotice } from "./notice.js";
import { quantityControl } from "./quantity.js";

const PER_PAGE = 12;
const FEW = 10n;

function address(category, page = 1) {
    const query = new URLSearchParams();
    if (category) query.set("category", category);
    if (page > 1) query.set("page", page);
    return `#/${query.size ? `?${query}` : ""}`;
}

function stockNote(available) {
    const units = BigInt(available);
    if (units <= 0n) return h("span", { class: "stock none" }, "Sold out");
    return units <= FEW && h("span", { class: "stock few" }, `Only ${units} left`);
}

function productCard(product, signal) {
    return h("li", { class: "product" },
        h("p", { class: "eyebrow" }, titleOf(product.category)),
        h("h2", { class: "product-name" }, product.name),
        h("p", { class: "product-text" }, product.description),
        h("div", { class: "product-foot" },
            h("p", { class: "price" }, formatMoney(product.price), stockNote(product.available)),
            quantityControl(product, signal)));
}

function categoryLink(name, current) {
    return h("li", {}, h("a", { href: address(name), "aria-current": name === current && "page" },
        name ? titleOf(name) : "Everything"));
}

function categoryForm() {
    return h("form", {
        class: "other-category",
        onsubmit: (event) => {
            event.preventDefault();
            location.hash = address(new FormData(event.target).get("category").trim());
        },
    }, h("label", { for: "category" }, "Another category"),
    h("div", { class: "joined" }, h("input", { id: "category", name: "category", autocapitalize: "none" }),
        h("button", { class: "button small" }, "Show")));
}

async function fillCategories(nav, current, signal) {
    const { names, isComplete } = await untilAnswered(() => categories(signal), signal);
    const all = current && !names.includes(current) ? [...names, current] : names;
    nav.replaceChildren(
        h("ul", { class: "categories" }, ["", ...all].map((name) => categoryLink(name, current))),
        isComplete ? "" : categoryForm());
}

function pager(category, page, hasNext) {
    const link = (label, target) => target
        ? h("a", { class: "button quiet", href: address(category, target) }, label)
        : h("span", { class: "button quiet", "aria-hidden": "true", "data-off": true }, label);
    return (page > 1 || hasNext) && h("nav", { class: "pager", "aria-label": "Pages" },
        link("Previous", page > 1 && page - 1), h("span", {}, `Page ${page}`), link("Next", hasNext && page + 1));
}

function emptyPage(page) {
    return h("p", { class: "empty" }, page > 1 ? "There is nothing on this page." : "There is nothing here yet.");
}

export async function catalogue(main, { query, signal }) {
    const category = query.get("category") ?? "";
    const page = Math.max(1, Math.trunc(Number(query.get("page"))) || 1);
    const title = category ? titleOf(category) : "Catalogue";
    const nav = h("nav", { class: "side", "aria-label": "Categories" });
    const list = h("div", { class: "products-box", "aria-busy": "true" }, h("p", { class: "loading" }, "Loading…"));

    document.title = `${title} · orderd`;
    main.replaceChildren(h("h1", { tabindex: -1 }, title), h("div", { class: "with-side" }, nav, list));
    fillCategories(nav, category, signal).catch(() => nav.remove()); // The list says what is wrong, if it is.
    try {
        const answer = await untilAnswered(
            () => listProducts({ category, page, perPage: PER_PAGE }, signal), signal);
        list.replaceChildren(
            answer.products.length === 0 ? emptyPage(page)
                : h("ul", { class: "products" }, answer.products.map((product) => productCard(product, signal))),
            pager(category, page, answer.nextPageToken !== "") || "");
    } catch (problem) {
        if (!signal.aborted) list.replaceChildren(problemNotice(problem));
    }
    list.removeAttribute("aria-busy");
}
