// The steps of an order on the screen: each an element that stays and changes, so that what happens is
// seen and nothing else moves.

import { h, icon } from "./dom.js";
import { count, formatDuration, formatTime } from "./format.js";

const icons = { done: "check", refused: "cross", unknown: "question", undone: "back", skipped: "minus" };

/** Two empty lists: what was meant to happen, and what is taken back. */
export function stepLists() {
    const forward = h("ol", { class: "steps" });
    const undo = h("ol", { class: "steps undo" });
    const undoBox = h("section", { class: "undo-box", "aria-labelledby": "undo-title", hidden: true },
        h("h2", { id: "undo-title" }, "Taken back"), undo);
    return {
        element: h("section", { "aria-label": "Steps", "aria-live": "polite", class: "steps-box" },
            h("h2", { class: "unseen" }, "Steps"), forward, undoBox),
        forward, undo, undoBox, items: new Map(),
    };
}

function newItem(kind) {
    return h("li", { class: "step", "data-kind": kind },
        h("span", { class: "step-mark" }), h("div", { class: "step-body" },
            h("h3", { class: "step-title" }), h("p", { class: "step-text" }), h("p", { class: "step-more" })));
}

/** When it ended, how long it took and how many tries that were; what can be said of it. */
function more({ start, end, tries, status }) {
    if (!start || !["done", "refused", "undone"].includes(status)) return tries > 1 ? count(tries, "try", "tries") : "";
    return [end && formatTime(end), end && formatDuration(start, end), tries > 1 && count(tries, "try", "tries")]
        .filter(Boolean).join(" · ");
}

function updateItem(item, step) {
    const text = item.querySelector(".step-text");
    if (item.dataset.status !== step.status) {
        item.dataset.status = step.status;
        item.querySelector(".step-mark").replaceChildren(...(icons[step.status] ? [icon(icons[step.status])] : []));
    }
    item.querySelector(".step-title").textContent = step.title;
    if (text.textContent !== step.text) text.textContent = step.text;
    item.querySelector(".step-more").textContent = more(step);
}

function updateList(list, steps, items) {
    const wanted = steps.map((step) => {
        const item = items.get(step.kind) ?? newItem(step.kind);
        items.set(step.kind, item);
        updateItem(item, step);
        return item;
    });
    if (wanted.length !== list.children.length || wanted.some((item, index) => list.children[index] !== item))
        list.replaceChildren(...wanted);
}

export function updateSteps(lists, { forward, undo }) {
    updateList(lists.forward, forward, lists.items);
    updateList(lists.undo, undo, lists.items);
    lists.undoBox.hidden = undo.length === 0;
}
