// A problem on the screen: what happened, what to do, and the reason for those who ask for help.

import { explain } from "./advice.js";
import { h } from "./dom.js";

export function problemNotice(problem, { names = {}, actions = [], tone = "bad" } = {}) {
    const { title, text, reason } = explain(problem);
    const lines = problem.shortLines ?? [];
    return h("div", { class: `notice ${tone}`, role: tone === "bad" ? "alert" : "note" },
        h("h2", { class: "notice-title" }, title),
        h("p", {}, text),
        lines.length > 0 && h("ul", { class: "short-lines" }, lines.map((line) => h("li", {},
            h("strong", {}, names[line.productId] ?? line.productId),
            line.wanted === null ? ": not enough" : `: ${line.wanted} wanted, ${line.available} there`))),
        actions.length > 0 && h("div", { class: "actions" }, actions),
        reason && h("p", { class: "reason" }, "Reason ", h("code", {}, reason)));
}
