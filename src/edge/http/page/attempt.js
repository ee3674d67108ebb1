// Ordering once, however often it is asked: the request and its idempotency keys are stored before they
// are sent, so that after a reload or a lost connection the same request goes out again and joins what is
// under way. Two stages: a checkout becomes an order, an attempt processes it. What has been answered is
// never sent again by itself: then it is the customer's turn.

import { createOrder, newKey, processOrder } from "./api.js";
import { goesOnAlone, invitesRetry } from "./advice.js";
import { untilAnswered } from "./connection.js";
import { forget, load, save } from "./session.js";

const CHECKOUT = "checkout";
const attemptName = (orderId) => `attempt.${orderId}`;

/** What was being ordered when the page was left, or undefined. */
export const openCheckout = () => load(CHECKOUT);

export function beginCheckout(request, card) {
    save(CHECKOUT, { request, card, key: newKey() });
}

export const dropCheckout = () => forget(CHECKOUT);

/** Creates the order of the open checkout. Whoever goes to another screen meanwhile has thought better of it. */
export async function finishCheckout(signal) {
    const { request, card, key } = openCheckout();
    try {
        const order = await untilAnswered(() => createOrder(request, key, signal), signal);
        beginAttempt(order, card);
        return order;
    } finally {
        dropCheckout();
    }
}

/** The same card after an answer that invites a retry keeps its key; anything else is a new attempt. */
export function beginAttempt(order, card) {
    const last = load(attemptName(order.id));
    const key = last?.card === card ? last.key : newKey();
    save(attemptName(order.id), { card, key, revision: order.revision });
}

export const endAttempt = (orderId) => forget(attemptName(orderId));

/** Whether the page was left before an attempt was answered, and the order does not tell the outcome either. */
export function isUnanswered(order) {
    const attempt = load(attemptName(order.id));
    const isOutcomeKnown = order.state === "FAILED" && BigInt(order.revision) > BigInt(attempt?.revision ?? 0);
    return Boolean(attempt) && !attempt.isAnswered && !isOutcomeKnown;
}

/** Processes the order; joins, when that is under way already. */
export async function runAttempt(orderId, signal) {
    const attempt = load(attemptName(orderId));
    try {
        const { card, key } = attempt;
        const confirmation = await untilAnswered(() => processOrder(orderId, card, key, signal), signal);
        endAttempt(orderId);
        return confirmation;
    } catch (problem) {
        if (!signal.aborted) {
            const keepsKey = invitesRetry(problem) || goesOnAlone(problem);
            if (keepsKey) save(attemptName(orderId), { ...attempt, isAnswered: true });
            else endAttempt(orderId);
        }
        throw problem;
    }
}
