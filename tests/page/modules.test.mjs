// The modules of the page that need no browser: money, steps, reasons.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import { after, describe, it } from "node:test";

const SOURCE_DIR = process.env.SOURCE_DIR ?? fileURLToPath(new URL("../..", import.meta.url));

// node takes a .js file for a module only beside a package.json that says so, and the page has none.
const copy = mkdtempSync(`${tmpdir()}/orderd-page-`);
cpSync(`${SOURCE_DIR}/src/edge/http/page`, copy, { recursive: true });
writeFileSync(`${copy}/package.json`, '{"type": "module"}');
after(() => rmSync(copy, { recursive: true }));

const load = (name) => import(pathToFileURL(`${copy}/${name}`));
const { formatDuration, formatMoney, formatNanos, toNanos } = await load("format.js");
const { badge, headline, timeline } = await load("steps.js");
const { Problem } = await load("problem.js");
const { explain, goesOnAlone, invitesRetry } = await load("advice.js");

const digits = (text) => text.replace(/[^\d.,]/g, "");

describe("the files", () => {
    it("are all asked for at once, so that none waits for the one that imports it", () => {
        const html = readFileSync(`${copy}/index.html`, "utf8");
        const named = [...html.matchAll(/(?:src|modulepreload" href)="(\w+\.js)"/g)].map(([, name]) => name).sort();
        assert.deepEqual(named, readdirSync(copy).filter((name) => name.endsWith(".js")).sort());
    });
});

describe("money", () => {
    const cases = [
        ["the largest amount", { currencyCode: "EUR", units: "9223372036854775807", nanos: 990000000 },
            "9,223,372,036,854,775,807.99"],
        ["one that a float cannot hold", { currencyCode: "EUR", units: "9007199254740993", nanos: 10000000 },
            "9,007,199,254,740,993.01"],
        ["whole yen", { currencyCode: "JPY", units: "1600", nanos: 0 }, "1,600"],
        ["cents are always two digits", { currencyCode: "EUR", units: "12", nanos: 500000000 }, "12.50"],
        ["three digits where the currency has three", { currencyCode: "KWD", units: "1", nanos: 5000000 }, "1.005"],
        ["more digits than usual are not cut", { currencyCode: "EUR", units: "0", nanos: 1 }, "0.000000001"],
        ["nothing", { currencyCode: "EUR" }, "0.00"],
    ];
    for (const [name, money, expected] of cases)
        it(name, () => assert.equal(digits(formatMoney(money)), expected));

    it("is added and multiplied without a rounding", () => {
        const price = toNanos({ units: "0", nanos: 100000000 });
        assert.equal(digits(formatNanos(price * 3n, "EUR")), "0.30");
    });
    it("in a currency nobody knows is still told", () =>
        assert.equal(formatMoney({ currencyCode: "??", units: "5" }), "5 ??"));
});

describe("how long it took", () => {
    const after = (ms) => new Date(Date.UTC(2026, 0, 1) + ms).toISOString();
    for (const [ms, expected] of [[0, "0 ms"], [999, "999 ms"], [1400, "1.4 s"], [180_000, "3 min"]])
        it(expected, () => assert.equal(formatDuration(after(0), after(ms)), expected));
});

describe("the steps of an order", () => {
    const step = (kind, outcome) => ({ kind, outcome, attempts: 1 });
    const of = ({ forward, undo }) => [forward, undo].map((list) => list.map((one) => one.status).join(" "));
    //   state         steps so far                                               forward, taken back
    const cases = [
        ["PENDING", [], ["waiting waiting waiting", ""]],
        ["RESERVING", [], ["running waiting waiting", ""]],
        ["CHARGING", [step("RESERVE", "DONE")], ["done running waiting", ""]],
        ["CHARGING", [step("RESERVE", "DONE"), step("CHARGE", "UNKNOWN")], ["done unknown waiting", ""]],
        ["FULFILLED", ["RESERVE", "CHARGE", "FULFILL"].map((kind) => step(kind, "DONE")), ["done done done", ""]],
        ["FAILED", [step("RESERVE", "REFUSED")], ["refused skipped skipped", ""]],
        ["REFUNDING", [step("RESERVE", "DONE"), step("CHARGE", "DONE"), step("FULFILL", "REFUSED")],
            ["done done refused", "running waiting"]],
        ["RECALLING", [step("RESERVE", "DONE"), step("CHARGE", "DONE"), step("FULFILL", "UNKNOWN")],
            ["done done unknown", "running waiting waiting"]],
        ["CANCELLED", [step("RESERVE", "DONE"), step("CHARGE", "DONE"), step("REFUND", "DONE")],
            ["undone undone skipped", "done"]],
        ["STUCK", [step("RESERVE", "DONE"), step("CHARGE", "DONE"), step("REFUND", "REFUSED")],
            ["done done skipped", "refused"]],
        ["CANCELLED", [], ["skipped skipped skipped", ""]],
    ];
    for (const [state, steps, expected] of cases)
        it(`${state}: ${expected.join(" | ")}`, () => assert.deepEqual(of(timeline({ state, steps })), expected));

    it("each state has a headline and a badge of its own words", () => {
        const proto = readFileSync(`${SOURCE_DIR}/proto/shop/v1/orders.proto`, "utf8");
        const states = /enum State \{(.*?)\}/s.exec(proto)[1].match(/[A-Z_]+(?= = [1-9])/g);
        assert.equal(states.length, 11);
        for (const state of states) {
            assert.notEqual(headline(state)[0], state);
            assert.equal(badge(state).length, 2);
        }
    });
});

describe("a problem", () => {
    const info = (reason, metadata = {}) =>
        ({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "orders.shop.v1", metadata });
    const short = { "@type": "type.googleapis.com/google.rpc.PreconditionFailure", violations: [
        { type: "STOCK", subject: "products/desk", description: "5 requested, 2 available" },
        { type: "STOCK", subject: "products/lamp", description: "not enough units in stock" },
    ] };
    const retry = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.500s" };

    it("names the lines that are short, counts when they are known", () => {
        assert.deepEqual(new Problem({ message: "", details: [info("OUT_OF_STOCK"), short] }).shortLines, [
            { productId: "desk", wanted: 5, available: 2 }, { productId: "lamp", wanted: null, available: null },
        ]);
    });
    it("tells when to come again", () => {
        const problem = new Problem({ message: "", details: [info("PAYMENT_UNAVAILABLE"), retry] });
        assert.equal(invitesRetry(problem), true);
        assert.match(explain(problem).text, /In 2 seconds at the earliest/);
    });
    it("says why the bank declined", () => {
        const problem = new Problem({ message: "", details: [info("PAYMENT_DECLINED", { declineCode: "lost_card" })] });
        assert.match(explain(problem).text, /^It was reported lost\. Nothing was charged/);
    });
    it("without details is told in the service's words", () =>
        assert.equal(explain(new Problem({ message: "no such thing" })).text, "No such thing."));

    // Reasons that an order can end with, or a busy service answer with; what only a wrong request brings is
    // told in the service's own words.
    it("has words of its own for every reason that is not the page's mistake", () => {
        const table = readFileSync(`${SOURCE_DIR}/src/base/reason.h`, "utf8");
        const rows = [...table.matchAll(/X\((\w+), +(\w+), +RETRY_(\w+), +"(.*?)"\)/g)];
        const isOrdinary = (name, code) => ["FAILED_PRECONDITION", "UNAVAILABLE", "RESOURCE_EXHAUSTED",
            "DEADLINE_EXCEEDED"].includes(code) || /^(PAYMENT|FULFILLMENT|INVENTORY|ORDER_IN)_/.test(name);
        const others = new Set(["STOCK_BELOW_ZERO", "MESSAGE_TOO_LARGE", "BODY_TOO_LARGE", "OUT_OF_MEMORY"]);
        const named = rows.filter(([, name, code]) => isOrdinary(name, code) && !others.has(name));
        assert.ok(named.length > 25, `only ${named.length} reasons were read`);
        for (const [, name, , , text] of named) {
            const reason = name.replace("ORDER_PRODUCT_NOT_FOUND", "PRODUCT_NOT_FOUND");
            assert.notEqual(explain(new Problem({ message: text, details: [info(reason)] })).title,
                "That did not work", reason);
        }
    });
    it("that the order survives alone is not an invitation to repeat", () => {
        for (const reason of ["RESERVATION_OUTCOME_UNKNOWN", "PAYMENT_OUTCOME_UNKNOWN", "FULFILLMENT_PENDING"]) {
            const problem = new Problem({ message: "", details: [info(reason)] });
            assert.equal(goesOnAlone(problem), true, reason);
            assert.equal(invitesRetry(problem), false, reason);
        }
    });
});
