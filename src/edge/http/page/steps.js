// What an order has been through and what is ahead, for the eye: a pure function of the order. Not for
// drawing it.

const FORWARD = ["RESERVE", "CHARGE", "FULFILL"];
const UNDO = ["RECALL", "REFUND", "RELEASE"];
const UNDONE_BY = { RESERVE: "RELEASE", CHARGE: "REFUND", FULFILL: "RECALL" };
const AT_WORK = {
    RESERVING: "RESERVE", CHARGING: "CHARGE", FULFILLING: "FULFILL",
    RECALLING: "RECALL", REFUNDING: "REFUND", RELEASING: "RELEASE",
};

// Each state of a step in words.
const words = {
    RESERVE: { title: "Stock", waiting: "Not reserved yet", running: "Being reserved", done: "Reserved",
        refused: "Not enough there", unknown: "No answer yet; asking again", skipped: "Not reserved",
        undone: "Put back" },
    CHARGE: { title: "Payment", waiting: "Not charged yet", running: "Being charged", done: "Charged once",
        refused: "Refused", unknown: "No answer yet; asking again", skipped: "Not charged",
        undone: "Given back" },
    FULFILL: { title: "Shipment", waiting: "Not arranged yet", running: "Being arranged", done: "On its way",
        refused: "Refused", unknown: "No answer yet; asking again", skipped: "Not arranged",
        undone: "Stopped" },
    RECALL: { title: "Stop the shipment", waiting: "To be done", running: "Making sure that nothing is sent",
        done: "Nothing is sent", refused: "It had left already", unknown: "No answer yet; asking again" },
    REFUND: { title: "Give the money back", waiting: "To be done", running: "Making sure that no money is held",
        done: "No money is held", refused: "Not possible", unknown: "No answer yet; asking again" },
    RELEASE: { title: "Put the stock back", waiting: "To be done", running: "Being put back",
        done: "Back in stock", refused: "Not possible", unknown: "No answer yet; asking again" },
};

const statusOfOutcome = { DONE: "done", REFUSED: "refused", UNKNOWN: "unknown" };

const isAtRest = (state) => ["PENDING", "FULFILLED", "FAILED", "CANCELLED", "STUCK"].includes(state);
const isOver = (state) => isAtRest(state) && state !== "PENDING";
const isFinal = (state) => ["FULFILLED", "CANCELLED", "STUCK"].includes(state);
const isBackward = (state) => ["RECALLING", "REFUNDING", "RELEASING"].includes(state);

export { isAtRest, isOver, isFinal, isBackward };

function forwardStatus(order, kind, ran) {
    const undo = order.steps.find((step) => step.kind === UNDONE_BY[kind]);
    // An undo that was one with another commit has no step of its own; at rest nothing is left behind.
    const isUndone = undo?.outcome === "DONE" || ["FAILED", "CANCELLED"].includes(order.state);
    if (ran?.outcome === "DONE" && isUndone) return "undone";
    if (AT_WORK[order.state] === kind) return ran?.outcome === "UNKNOWN" ? "unknown" : "running";
    if (ran) return statusOfOutcome[ran.outcome] ?? "running";
    return isBackward(order.state) || isOver(order.state) ? "skipped" : "waiting";
}

/** What is still to be undone, behind the undo at work: they go in a fixed order. */
function undosAhead(order) {
    const at = UNDO.indexOf(AT_WORK[order.state]);
    return at < 0 ? [] : UNDO.slice(at);
}

function undoStatus(order, kind, ran) {
    if (AT_WORK[order.state] === kind) return ran?.outcome === "UNKNOWN" ? "unknown" : "running";
    return ran ? statusOfOutcome[ran.outcome] ?? "waiting" : "waiting";
}

function describe(kind, status, ran) {
    return {
        kind,
        status,
        title: words[kind].title,
        text: words[kind][status],
        tries: ran?.attempts ?? 0,
        start: ran?.startTime,
        end: ran?.endTime,
        externalId: ran?.externalId ?? "",
    };
}

/** { forward: [step], undo: [step] }: what was meant to happen, and what is taken back. */
export function timeline(order) {
    const ran = (kind) => order.steps.findLast((step) => step.kind === kind);
    const ahead = undosAhead(order);
    const undo = UNDO.filter((kind) => ran(kind) || ahead.includes(kind))
        .map((kind) => describe(kind, undoStatus(order, kind, ran(kind)), ran(kind)));
    // Also a payment that was declined is undone: it must not be confirmed later.
    const refund = undo.find((step) => step.kind === "REFUND");
    if (refund && ran("CHARGE")?.outcome === "REFUSED") refund.title = "Close the payment";
    return {
        forward: FORWARD.map((kind) => describe(kind, forwardStatus(order, kind, ran(kind)), ran(kind))),
        undo,
    };
}

const headlines = {
    PENDING: ["Ready to be paid", "The order is stored. Nothing is reserved or charged yet."],
    RESERVING: ["Reserving the stock", "This takes a moment."],
    CHARGING: ["Taking the payment", "This takes a moment."],
    FULFILLING: ["Arranging the shipment", "The payment was taken."],
    FULFILLED: ["Thank you, it is on its way", "Charged once, one shipment."],
    RECALLING: ["Stopping the shipment", "Something went wrong, and all of it is taken back."],
    REFUNDING: ["Giving the money back", "Something went wrong, and all of it is taken back."],
    RELEASING: ["Putting the stock back", "Something went wrong, and all of it is taken back."],
    FAILED: ["It did not work out", "Nothing is charged, nothing is reserved, nothing is sent."],
    CANCELLED: ["Cancelled", "Nothing is charged, nothing is reserved, nothing is sent."],
    STUCK: ["We have to look at this one", "Taking it back did not work; a person will see to it."],
};

export const headline = (state) => headlines[state] ?? [state, ""];

const badges = {
    PENDING: ["calm", "Not paid"], FULFILLED: ["good", "On its way"], FAILED: ["bad", "Not completed"],
    CANCELLED: ["calm", "Cancelled"], STUCK: ["bad", "Needs a person"],
};

/** [tone, word] for lists. */
export const badge = (state) => badges[state] ?? [isBackward(state) ? "warn" : "busy",
    isBackward(state) ? "Being taken back" : "Under way"];
