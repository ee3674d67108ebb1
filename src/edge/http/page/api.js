// The methods of the service over HTTP/JSON: a request in, a message out or a Problem thrown. Not for
// repeating: whoever asks knows what a repeat means.

import { ConnectionLost, Problem } from "./problem.js";

async function call(method, path, { query = {}, body, key, signal } = {}) {
    const search = new URLSearchParams(Object.entries(query)
        .flatMap(([name, value]) => [value].flat().map((one) => [name, one]))
        .filter(([, value]) => value !== "" && value !== undefined));
    const headers = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key !== undefined) headers["Idempotency-Key"] = key;

    let answer, text;
    try {
        answer = await fetch(`${path}${search.size ? `?${search}` : ""}`,
            { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) });
        text = await answer.text();
    } catch (error) {
        throw signal?.aborted ? error : new ConnectionLost();
    }
    return read(answer, text);
}

function read(answer, text) {
    let message;
    try {
        message = JSON.parse(text);
    } catch {
        // Something between this page and the service has answered instead of it.
        throw new Problem({ message: `an answer that cannot be read (HTTP ${answer.status})` }, answer.status);
    }
    if (!answer.ok) throw new Problem(message.error ?? {}, answer.status);
    return message;
}

const orderPath = (id, verb = "") => `/v1/orders/${encodeURIComponent(id)}${verb}`;

export const listProducts = (query, signal) => call("GET", "/v1/products", { query, signal });
export const getProduct = (id, signal) => call("GET", `/v1/products/${encodeURIComponent(id)}`, { signal });
export const getProducts = (ids, signal) => call("GET", "/v1/products:batchGet", { query: { ids }, signal });
export const listOrders = (query, signal) => call("GET", "/v1/orders", { query, signal });
export const getOrder = (id, signal) => call("GET", orderPath(id), { signal });
export const createOrder = (body, key, signal) => call("POST", "/v1/orders", { body, key, signal });
export const processOrder = (id, paymentMethod, key, signal) =>
    call("POST", orderPath(id, ":process"), { body: { paymentMethod }, key, signal });
export const cancelOrder = (id, key, signal) => call("POST", orderPath(id, ":cancel"), { body: {}, key, signal });

/** Where an order's changes can be listened to. */
export function watchUrl(id, afterRevision) {
    return orderPath(id, ":watch") + (afterRevision ? `?afterRevision=${afterRevision}` : "");
}

/** A new idempotency key; crypto.randomUUID would want https. */
export function newKey() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0"))
        .join("");
}
