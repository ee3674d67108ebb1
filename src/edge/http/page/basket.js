// What the customer wants, before it is an order: kept for this tab, in the limits of the service. Not for
// showing it, and not for prices that bind: those are set when the order is created.

import { toNanos } from "./format.js";
import { load, save } from "./session.js";

export const LINES_MAX = 100;
export const QUANTITY_MAX = 10_000;

const NAME = "basket";
const listeners = new Set();

/** [{ product, quantity }], in the order they were put in. */
export const lines = () => load(NAME, []);

export const quantityOf = (id) => lines().find((line) => line.product.id === id)?.quantity ?? 0;

export const itemCount = () => lines().reduce((sum, line) => sum + line.quantity, 0);

function store(list) {
    save(NAME, list);
    for (const listener of listeners) listener();
}

/** Calls listener() after every change, until the signal is aborted. */
export function onChange(listener, signal) {
    listeners.add(listener);
    signal?.addEventListener("abort", () => listeners.delete(listener));
}

/** A quantity as it may stand in an order; 0 takes the line out. */
export const clamp = (quantity) => Math.min(Math.max(Math.trunc(quantity) || 0, 0), QUANTITY_MAX);

/** False when there is no room for one more line. */
export function setQuantity(product, quantity) {
    const list = lines();
    const index = list.findIndex((line) => line.product.id === product.id);
    const line = { product, quantity: clamp(quantity) };
    if (index >= 0 && line.quantity > 0) list[index] = line;
    else if (index >= 0) list.splice(index, 1);
    else if (list.length >= LINES_MAX) return false;
    else if (line.quantity > 0) list.push(line);
    store(list);
    return true;
}

/** What the products are now, by id; those that are missing are marked as gone. */
export function refresh(products) {
    const known = new Map(products.map((product) => [product.id, product]));
    store(lines().map((line) => ({
        product: known.get(line.product.id) ?? { ...line.product, isGone: true },
        quantity: line.quantity,
    })));
}

export function remove(ids) {
    store(lines().filter((line) => !ids.includes(line.product.id)));
}

export const lineNanos = (line) => toNanos(line.product.price) * BigInt(line.quantity);

/** An order has one currency, so a basket is as many orders as it has: Map of currency to lines. */
export function byCurrency() {
    const groups = new Map();
    for (const line of lines()) {
        const currency = line.product.price.currencyCode;
        groups.set(currency, [...(groups.get(currency) ?? []), line]);
    }
    return groups;
}
