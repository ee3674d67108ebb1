// Where everything begins: the address behind the # says which screen is shown. Each screen lives until
// the address changes; its signal is aborted then, and with it what it was waiting for.

import * as basket from "./basket.js";
import { catalogue } from "./catalogue.js";
import { checkout } from "./checkout.js";
import * as connection from "./connection.js";
import { order } from "./order.js";
import { orders } from "./orders.js";

//  address                 screen     marked in the navigation
const routes = [
    [/^\/?$/,               catalogue, "catalogue"],
    [/^\/basket$/,          checkout,  "basket"],
    [/^\/orders$/,          orders,    "orders"],
    [/^\/orders\/([^/]+)$/, order,     "orders"],
];

const main = document.getElementById("main");
let leave = new AbortController();
let isFirst = true;

function decode(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}

function mark(section) {
    for (const link of document.querySelectorAll("[data-section]")) {
        if (link.dataset.section === section) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
}

function show() {
    const [path, query = ""] = location.hash.slice(1).split("?");
    const found = routes.map((route) => [...route, route[0].exec(path)]).find((route) => route[3]);
    if (!found) {
        location.replace("#/");
        return;
    }
    const [, screen, section, match] = found;
    leave.abort();
    leave = new AbortController();
    mark(section);
    screen(main, {
        id: match[1] && decode(match[1]),
        query: new URLSearchParams(query),
        signal: leave.signal,
        go: (hash) => { location.hash = hash; },
    });
    // Those who do not see that the screen has changed are taken to it.
    if (!isFirst) {
        window.scrollTo(0, 0);
        main.querySelector("h1")?.focus({ preventScroll: true });
    }
    isFirst = false;
}

function showCount() {
    const badge = document.getElementById("basket-count");
    const items = basket.itemCount();
    badge.textContent = items;
    badge.hidden = items === 0;
}

// The address is the screen's, so the link does not change it.
document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
});

connection.start();
basket.onChange(showCount);
showCount();
window.addEventListener("hashchange", show);
show();
