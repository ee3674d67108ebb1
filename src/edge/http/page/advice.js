// What a reason means to a customer, and what to do next. One row a reason; those that only a mistake of
// this page could bring (INVALID_ARGUMENT and the like) are shown with the service's own words.

import { count } from "./format.js";

/** After which the card has to be another one, or the same once more. */
const UNDONE = "Nothing was charged and nothing is reserved.";

const rows = {
    OUT_OF_STOCK: ["There is not enough in stock", `${UNDONE} Order less, or without these:`],
    PRODUCT_NOT_FOUND: ["A product is no longer sold", "Take it out of the basket and order again."],
    PAYMENT_DECLINED: ["The card was declined", `${UNDONE} Try another card.`],
    PAYMENT_ACTION_REQUIRED: ["The bank wants to ask you first",
        `That cannot be done here. ${UNDONE} Try another card.`],
    PAYMENT_METHOD_INVALID: ["This card is not accepted", `${UNDONE} Try another card.`],
    PAYMENT_UNAVAILABLE: ["Payments cannot be taken at the moment", `${UNDONE} Try again.`],
    FULFILLMENT_UNAVAILABLE: ["Shipping cannot be reached at the moment",
        "What was charged is given back. Try again later."],
    FULFILLMENT_REJECTED: ["It cannot be shipped to this address",
        "What was charged has been given back. Order again with another address."],
    INVENTORY_UNAVAILABLE: ["The stock cannot be checked at the moment", `${UNDONE} Try again.`],
    STORE_UNAVAILABLE: ["The shop cannot look things up at the moment", "Nothing was changed. Try again."],
    STORE_OVERLOADED: ["The shop is busy", "Nothing was changed. Try again."],
    TOO_MANY_CALLS: ["The shop is busy", "Nothing was changed. Try again."],
    TOO_MANY_ORDERS: ["The shop is busy", "Nothing was changed. Try again."],
    TOO_MANY_CONNECTIONS: ["The shop is busy", "Nothing was changed. Try again."],
    TOO_MANY_WATCHERS: ["Too many people watch orders", "The order goes on; reload to see how it is."],
    SHUTTING_DOWN: ["The shop is being restarted", "Try again."],
    RESERVATION_OUTCOME_UNKNOWN: ["It takes longer than usual",
        "The order goes on by itself and this page follows it. There is no need to order again."],
    PAYMENT_OUTCOME_UNKNOWN: ["The bank has not answered yet",
        "The order goes on by itself and this page follows it. You are charged once at most."],
    FULFILLMENT_PENDING: ["Paid; the shipment is being arranged",
        "The order goes on by itself and this page follows it."],
    DEADLINE_EXCEEDED: ["It takes longer than usual", "Look at the order before you try again."],
    DEADLINE_TOO_SHORT: ["There was too little time to pay safely", "Try again."],
    ORDER_IN_PROGRESS: ["This order is being worked on already", "This page follows it."],
    REQUEST_IN_PROGRESS: ["This order is being worked on already", "This page follows it."],
    ORDER_STATE_INVALID: ["That is not possible any more", "The order has moved on meanwhile."],
    ORDER_CANCELLED: ["The order was cancelled", UNDONE],
    ORDER_NOT_FOUND: ["There is no such order", "Check the id: it stands in the order's address."],
    ATTEMPTS_EXHAUSTED: ["This order was tried too often", "Put its lines into the basket and order again."],
    PAGE_OUT_OF_RANGE: ["The catalogue is not paged that far", "Choose a category to see less."],
    PAYMENT_MISCONFIGURED: ["Payments do not work at the moment", `This is our fault. ${UNDONE}`],
    PAYMENT_ANSWER_INVALID: ["The payment went wrong", "This is our fault. What was charged is given back."],
    FULFILLMENT_MISCONFIGURED: ["Shipping does not work at the moment",
        "This is our fault. What was charged is given back."],
    INVENTORY_MISCONFIGURED: ["The stock cannot be checked at the moment", `This is our fault. ${UNDONE}`],
    REQUEST_INVALID: ["Something is not filled in right", "Correct what is marked."],
    CONNECTION_LOST: ["The shop cannot be reached",
        "It is tried again by itself. Nothing is ordered twice."],
};

const declines = {
    insufficient_funds: "There is not enough money on it.",
    lost_card: "It was reported lost.",
    stolen_card: "It was reported stolen.",
    expired_card: "It has expired.",
    incorrect_cvc: "Its security code is wrong.",
};

/** The reasons after which the order goes on alone: nothing is to be done. */
const alone = new Set(["RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_OUTCOME_UNKNOWN", "FULFILLMENT_PENDING",
    "ORDER_IN_PROGRESS", "REQUEST_IN_PROGRESS", "DEADLINE_EXCEEDED"]);

export const goesOnAlone = (problem) => alone.has(problem.reason);

/** Whether the same request may be sent again under the same key. */
export const invitesRetry = (problem) =>
    problem.retrySeconds !== undefined || problem.reason === "DEADLINE_TOO_SHORT";

/** { title, text, reason }: in words; `reason` is the service's own, for those who ask for help. */
export function explain(problem) {
    const [title, advice] = rows[problem.reason] ?? ["That did not work", sentence(problem.message)];
    const decline = declines[problem.metadata?.declineCode];
    const wait = problem.retrySeconds > 1 ? ` In ${count(problem.retrySeconds, "second")} at the earliest.` : "";
    return { title, text: (decline ? `${decline} ` : "") + advice + wait, reason: problem.reason };
}

/** The service's words, as a sentence. */
export function sentence(message) {
    const text = message.charAt(0).toUpperCase() + message.slice(1);
    return /[.!?]$/.test(text) ? text : `${text}.`;
}
