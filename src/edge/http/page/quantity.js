// How many of a product: a button until there is one in the basket, then minus, number, plus.

import * as basket from "./basket.js";
import { announce, h, icon } from "./dom.js";
import { count } from "./format.js";

function say(product) {
    const quantity = basket.quantityOf(product.id);
    announce(quantity === 0
        ? `${product.name} is out of the basket.`
        : `${quantity} of ${product.name} in the basket, which has ${count(basket.itemCount(), "item")}.`);
}

function set(product, quantity) {
    if (basket.setQuantity(product, quantity)) say(product);
    else announce(`The basket is full: an order has at most ${basket.LINES_MAX} lines.`);
}

/** Minus, number, plus. */
export function stepper(product) {
    const change = (by) => set(product, basket.quantityOf(product.id) + by);
    const number = h("input", {
        class: "stepper-number", type: "number", inputmode: "numeric", min: 0, max: basket.QUANTITY_MAX,
        value: basket.quantityOf(product.id), "aria-label": `Quantity of ${product.name}`,
        onchange: (event) => set(product, event.target.valueAsNumber),
    });
    const button = (name, label, by) => h("button", {
        type: "button", class: "stepper-button", "aria-label": `${label} of ${product.name}`,
        onclick: () => change(by),
    }, icon(name));
    return h("div", { class: "stepper", role: "group", "aria-label": product.name },
        button("minus", "One less", -1), number, button("plus", "One more", 1));
}

/** A button that turns into a stepper and back, as the basket changes; focus stays where it was. */
export function quantityControl(product, signal) {
    const box = h("div", { class: "quantity" });
    const isSoldOut = BigInt(product.available) <= 0n;

    function draw() {
        const quantity = basket.quantityOf(product.id);
        const input = box.querySelector("input");
        if (quantity > 0 && input) {
            input.value = quantity;
            return;
        }
        const hadFocus = box.contains(document.activeElement);
        box.replaceChildren(quantity > 0 ? stepper(product) : h("button", {
            type: "button", class: "button small outline", disabled: isSoldOut,
            "aria-label": `Add ${product.name} to the basket`, onclick: () => set(product, 1),
        }, isSoldOut ? "Sold out" : "Add"));
        if (hadFocus) box.querySelector("button:last-of-type").focus();
    }

    basket.onChange(draw, signal);
    draw();
    return box;
}
