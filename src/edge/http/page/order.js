// One order: its steps as they happen, what went wrong and what to do, and what was ordered. The order on
// the screen is always the newest one seen, whoever told it: the watch, an answer, a look.

import { cancelOrder, getOrder, newKey } from "./api.js";
import { goesOnAlone } from "./advice.js";
import { beginAttempt, endAttempt, isUnanswered, runAttempt } from "./attempt.js";
import * as basket from "./basket.js";
import { cardChoice, chosenCard } from "./cards.js";
import { untilAnswered } from "./connection.js";
import { announce, fill, h } from "./dom.js";
import { formatDateTime, formatMoney, formatNanos, toNanos } from "./format.js";
import { problemNotice } from "./notice.js";
import { Problem } from "./problem.js";
import { headline, isAtRest, isFinal, isOver, timeline } from "./steps.js";
import { stepLists, updateSteps } from "./timeline.js";
import { watchOrder } from "./watch.js";

// ---- What was ordered -------------------------------------------------------------------------

function lineRow(line) {
    const sum = toNanos(line.unitPrice) * BigInt(line.quantity);
    return h("li", {}, h("span", {}, `${line.quantity} × `, line.name),
        h("span", { class: "line-sum" }, formatNanos(sum, line.unitPrice.currencyCode)));
}

function addressText({ recipient, addressLines, postalCode, locality, regionCode }) {
    const region = new Intl.DisplayNames(undefined, { type: "region" }).of(regionCode);
    const town = [postalCode, locality].filter(Boolean).join(" ");
    return [recipient, ...addressLines, town, region].filter(Boolean)
        .flatMap((line, index) => (index ? [h("br"), line] : [line]));
}

function facts(order) {
    const rows = [
        ["Sent to", h("address", {}, addressText(order.shipTo))],
        ["Ordered", formatDateTime(order.createTime)],
        ["By", h("a", { href: `#/orders?customer=${encodeURIComponent(order.customerId)}` }, order.customerId)],
        ["Order", h("code", {}, order.id)],
        ["Payment", order.paymentId && h("code", {}, order.paymentId)],
        ["Shipment", order.shipmentId && h("code", {}, order.shipmentId)],
    ];
    return h("dl", { class: "facts" }, rows.filter(([, value]) => value)
        .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function receipt(order) {
    return [h("h2", {}, "What you ordered"),
        h("ul", { class: "receipt" }, order.lines.map(lineRow)),
        h("p", { class: "total" }, h("span", {}, "Total"), h("strong", {}, formatMoney(order.total))),
        facts(order)];
}

/** Puts the lines back into the basket, as many as there are. */
function refillBasket(order, shortLines) {
    for (const line of order.lines) {
        const short = shortLines.find((one) => one.productId === line.productId);
        const product = { id: line.productId, name: line.name, price: line.unitPrice, available: "1000000" };
        basket.setQuantity(product, short ? Math.min(short.available ?? 0, line.quantity) : line.quantity);
    }
}

// ---- The screen -------------------------------------------------------------------------------

class OrderScreen {
    constructor(main, order, { signal, go }) {
        Object.assign(this, { main, order, signal, go });
        this.title = h("h1", { tabindex: -1 });
        this.lead = h("p", { class: "lead" });
        this.steps = stepLists();
        this.problemBox = h("div", { class: "problem-box" });
        this.actions = h("div", { class: "order-actions" });
        this.receipt = h("aside", { class: "summary", "aria-label": "Order" });
        main.replaceChildren(h("div", { class: "order" }, h("div", { class: "order-progress" },
            this.title, this.lead, this.steps.element, this.problemBox, this.actions), this.receipt));
        signal.addEventListener("abort", () => this.watch?.close());
        // A browser has few connections to one shop for all its tabs, so one that is not looked at gives its own back.
        document.addEventListener("visibilitychange", () => document.hidden ? this.watch?.close() : this.catchUp(),
            { signal });
        this.draw();
    }

    start() {
        if (isUnanswered(this.order) && !isFinal(this.order.state)) this.attempt();
        else this.catchUp();
    }

    /** Listens if there may be something to hear. */
    catchUp() {
        if (this.isTrying || !isOver(this.order.state)) this.follow();
    }

    // ---- News

    /** Takes an order that is at least as new as the one on the screen. */
    update(order) {
        if (this.signal.aborted || BigInt(order.revision) < BigInt(this.order.revision)) return;
        const hasChanged = order.state !== this.order.state;
        this.order = order;
        if (isFinal(order.state)) endAttempt(order.id);
        this.draw();
        // The steps are heard as they change; this is how it ended.
        if (hasChanged && isAtRest(order.state)) announce(`${headline(order.state)[0]}. ${headline(order.state)[1]}`);
    }

    /** Listens until the order rests. A FAILED one rests already, and is listened to for its next attempt. */
    follow() {
        const { order } = this;
        this.watch?.close();
        this.watch = watchOrder(order.id, order.state === "FAILED" ? order.revision : undefined, {
            order: (news) => this.update(news),
            refused: (problem) => this.show(problem),
        });
    }

    async attempt() {
        this.isTrying = true;
        this.problem = undefined;
        this.draw();
        this.follow();
        try {
            await runAttempt(this.order.id, this.signal);
        } catch (problem) {
            if (this.signal.aborted) return;
            this.problem = problem;
        }
        await this.settle();
    }

    /** After an answer: the order as it is now, and whether there is still something to listen to. */
    async settle() {
        try {
            const order = await untilAnswered(() => getOrder(this.order.id, this.signal), this.signal);
            this.isTrying = false;
            this.update(order);
            if (isAtRest(this.order.state)) this.watch?.close();
            else if (!document.hidden) this.follow();
        } catch (problem) {
            if (!this.signal.aborted) this.show(problem);
        }
    }

    show(problem) {
        this.problem = problem;
        this.draw();
    }

    // ---- What the customer can do

    pay(event) {
        event.preventDefault();
        beginAttempt(this.order, chosenCard(event.target));
        this.attempt();
    }

    async cancel() {
        try {
            const key = newKey();
            const order = await untilAnswered(() => cancelOrder(this.order.id, key, this.signal), this.signal);
            this.update(order);
            if (!isFinal(this.order.state)) this.follow();
        } catch (problem) {
            if (this.signal.aborted) return;
            this.problem = problem;
            await this.settle();
        }
    }

    askToCancel() {
        const dialog = h("dialog", { class: "dialog", "aria-labelledby": "cancel-title" },
            h("form", { method: "dialog" }, h("h2", { id: "cancel-title" }, "Cancel this order?"),
                h("p", {}, "What was charged or reserved is given back. If it has left already, it stays yours."),
                h("div", { class: "actions" },
                    h("button", { class: "button danger", value: "yes" }, "Cancel the order"),
                    h("button", { class: "button quiet", value: "no" }, "Keep it"))));
        dialog.addEventListener("close", () => {
            dialog.remove();
            if (dialog.returnValue === "yes") this.cancel();
        });
        this.main.append(dialog);
        dialog.showModal();
    }

    orderAgain() {
        refillBasket(this.order, this.shown?.shortLines ?? []);
        this.go("#/basket");
    }

    // ---- Drawing

    draw() {
        const { order } = this;
        const isBegun = this.isTrying && ["PENDING", "FAILED"].includes(order.state);
        const [title, lead] = isBegun ? ["Sending the order", "This takes a moment."] : headline(order.state);
        document.title = `${title} · orderd`;
        if (this.title.textContent !== title) this.title.textContent = title;
        this.lead.textContent = lead;
        this.title.dataset.state = order.state;
        updateSteps(this.steps, timeline(isBegun ? { ...order, state: "PENDING", steps: [] } : order));
        this.drawProblem();
        this.drawActions();
        fill(this.receipt, `${order.paymentId} ${order.shipmentId}`, () => receipt(order), this.title);
    }

    /** What is recorded with the order says more than an answer that was not definite. */
    problemToShow() {
        const { order, problem } = this;
        if (this.isTrying) return undefined;
        if (order.failure && (isFinal(order.state) || order.state === "FAILED"))
            return new Problem(order.failure);
        if (order.state === "FULFILLED" || (problem?.reason === "ORDER_CANCELLED" && order.state === "CANCELLED"))
            return undefined;
        return problem;
    }

    drawProblem() {
        const problem = this.problemToShow();
        const names = Object.fromEntries(this.order.lines.map((line) => [line.productId, line.name]));
        this.shown = problem;
        const tone = problem && goesOnAlone(problem) ? "calm" : "bad";
        fill(this.problemBox, problem ? `${problem.reason} ${problem.message} ${tone}` : "",
            () => problem && problemNotice(problem, { names, tone }), this.title);
    }

    drawActions() {
        const { order } = this;
        const canPay = !this.isTrying && ["PENDING", "FAILED"].includes(order.state);
        const isShort = this.shown?.reason === "OUT_OF_STOCK";
        const isHopeless = this.shown && ["OUT_OF_STOCK", "PRODUCT_NOT_FOUND", "FULFILLMENT_REJECTED",
            "ATTEMPTS_EXHAUSTED"].includes(this.shown.reason);
        const canCancel = !["FULFILLED", "CANCELLED", "STUCK", "RELEASING", "REFUNDING"].includes(order.state);
        const canOrderAgain = !this.isTrying && ["FAILED", "CANCELLED"].includes(order.state);
        fill(this.actions, [canPay, isShort, isHopeless, canCancel, canOrderAgain].join(), () => [
            canPay && !isHopeless && h("form", { class: "pay", onsubmit: (event) => this.pay(event) },
                cardChoice(),
                h("button", { class: "button" }, order.state === "PENDING" ? "Pay" : "Try again with this card")),
            h("div", { class: "actions" },
                canOrderAgain && h("button", {
                    class: isHopeless ? "button" : "button quiet", type: "button", onclick: () => this.orderAgain(),
                }, isShort ? "Back to the basket with what is there" : "Put it back into the basket"),
                canCancel && h("button", {
                    class: "button quiet danger", type: "button", onclick: () => this.askToCancel(),
                }, "Cancel the order")),
        ], this.title);
    }
}

export async function order(main, page) {
    const { id, signal } = page;
    document.title = "Order · orderd";
    main.replaceChildren(h("h1", { tabindex: -1 }, "Order"), h("p", { class: "loading" }, "Loading…"));
    try {
        const found = await untilAnswered(() => getOrder(id, signal), signal);
        new OrderScreen(main, found, page).start();
    } catch (problem) {
        if (signal.aborted) return;
        main.replaceChildren(h("h1", { tabindex: -1 }, "Order"),
            problemNotice(problem, { actions: [h("a", { class: "button", href: "#/orders" }, "To the orders")] }));
    }
}
