// Where the tests of the page happen: the programs, the browser, and what a test says to both.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const SOURCE_DIR = process.env.SOURCE_DIR ?? fileURLToPath(new URL("../..", import.meta.url));
const BUILD_DIR = process.env.BUILD_DIR ?? `${SOURCE_DIR}/build/asan`;
const SHOTS_DIR = `${BUILD_DIR}/page`;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const WAIT_MS = 20_000; // For programs with sanitizers, on two busy cores.

// The packages are not beside the tests but in the build folder, as the Python environment is.
const require = createRequire(`${SOURCE_DIR}/build/page/package.json`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// ---- The programs -------------------------------------------------------------------------------

export class Place {
    async start() {
        mkdirSync(SHOTS_DIR, { recursive: true });
        const serve = fileURLToPath(new URL("serve.py", import.meta.url));
        this.process = spawn(`${SOURCE_DIR}/build/venv/bin/python`, [serve], { stdio: ["pipe", "pipe", "inherit"] });
        this.ended = new Promise((resolve) => this.process.once("exit", resolve));
        const { value: line } = await createInterface(this.process.stdout)[Symbol.asyncIterator]().next();
        assert.ok(line, "serve.py ended before it served; what it says stands above");
        Object.assign(this, JSON.parse(line));
        this.browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    }

    async stop() {
        await this.browser?.close();
        this.process.stdin.end();
        assert.equal(await this.ended, 0, "the programs ended well");
    }

    async post(path, body) {
        const answer = await fetch(this.url + path,
            { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
        assert.equal(answer.status, 200, `POST ${path}: ${await answer.clone().text()}`);
        return answer.json();
    }

    product({ id, stock = 50, currency = "EUR", units = "12", nanos = 500000000, ...fields }) {
        return this.post(`/v1/products?initialStock=${stock}`,
            { id, name: `Walnut ${id}`, category: id, price: { currencyCode: currency, units, nanos }, ...fields });
    }

    async order(id) {
        return (await fetch(`${this.url}/v1/orders/${id}`)).json();
    }

    async available(id) {
        return Number((await (await fetch(`${this.url}/v1/products/${id}`)).json()).available);
    }

    async ledger(orderId) {
        return (await fetch(`${this.sandbox}/ledger?order_id=${orderId}`)).json();
    }

    /** What was kept of the customer's money, and how many shipments are under way. */
    async kept(orderId) {
        const { payments, shipments } = await this.ledger(orderId);
        return {
            payments: payments.filter((payment) => payment.received > payment.refunded).length,
            shipments: shipments.filter((shipment) => !["CANCELLED", "BARRED"].includes(shipment.state)).length,
        };
    }

    async fault(rule) {
        const answer = await fetch(`${this.sandbox}/control/faults`, { method: "POST", body: JSON.stringify(rule) });
        assert.equal(answer.status, 204, await answer.text());
    }

    /** Removes the rules that match, and what they hold goes on. */
    async release(match) {
        const answer = await fetch(`${this.sandbox}/control/faults?match=${match}`, { method: "DELETE" });
        assert.equal(answer.status, 204, await answer.text());
    }

    /** A customer with a browser of their own; `url` is where they find the shop. */
    async visitor({ url = this.url, ...options } = {}) {
        const context = await this.browser.newContext({
            viewport: { width: 1280, height: 900 }, locale: "en-GB", timezoneId: "UTC", colorScheme: "light",
            ...options,
        });
        const visitor = new Visitor(this, url, await context.newPage());
        await visitor.listen();
        return visitor;
    }
}

// ---- The line between them ------------------------------------------------------------------------

/** A TCP connection to the shop that can be cut, as no browser setting does with one that is open. */
export class Line {
    async open(place) {
        this.sockets = new Set();
        this.isCut = false;
        this.server = createServer((near) => {
            const far = connect(new URL(place.url).port, "127.0.0.1");
            for (const [socket, other] of [[near, far], [far, near]]) {
                this.sockets.add(socket);
                socket.on("error", () => {}).on("close", () => {
                    this.sockets.delete(socket);
                    other.destroy();
                });
                socket.pipe(other);
            }
            if (this.isCut) this.cut();
        });
        await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
        this.url = `http://127.0.0.1:${this.server.address().port}`;
        return this;
    }

    cut() {
        this.isCut = true;
        for (const socket of this.sockets) socket.destroy();
    }

    mend() {
        this.isCut = false;
    }

    close() {
        this.cut();
        this.server.close();
    }
}

// ---- A customer ---------------------------------------------------------------------------------

export class Visitor {
    constructor(place, url, page) {
        Object.assign(this, { place, url, page, complaints: [], steps: [] });
        page.setDefaultTimeout(WAIT_MS);
    }

    /** Nothing that the browser complains of goes unheard, and each change of a step is written down. */
    async listen() {
        const { page } = this;
        page.on("pageerror", (error) => this.complaints.push(`error: ${error.stack}`));
        page.on("console", (message) => {
            // A refusal is no mistake of the page.
            const isAnswer = message.text().startsWith("Failed to load resource");
            if (["error", "warning"].includes(message.type()) && !isAnswer) this.complaints.push(message.text());
        });
        page.on("request", (request) => {
            const { protocol, origin } = new URL(request.url());
            if (protocol !== "data:" && origin !== this.url) this.complaints.push(`asked ${request.url()}`);
        });
        page.on("response", (response) => {
            if (new URL(response.url()).pathname === "/") this.policy = response.headers()["content-security-policy"];
        });
        await page.exposeFunction("tellStep", (step) => this.steps.push(step));
        await page.exposeFunction("complain", (text) => this.complaints.push(text));
        await page.addInitScript(() => {
            document.addEventListener("securitypolicyviolation",
                (event) => window.complain(`policy: ${event.violatedDirective} ${event.blockedURI}`));
            new MutationObserver((changes) => {
                for (const { target } of changes) {
                    if (target.dataset.kind) window.tellStep(`${target.dataset.kind} ${target.dataset.status}`);
                }
            }).observe(document, { subtree: true, attributeFilter: ["data-status"] });
        });
    }

    /** At the end of every test: neither the page nor the browser had anything to complain of. */
    async leave() {
        await this.page.context().close();
        assert.deepEqual(this.complaints, []);
        assert.equal(this.policy, POLICY);
    }

    async go(hash = "") {
        await this.page.goto(`${this.url}/${hash}`);
    }

    async shot(name) {
        await this.page.screenshot({ path: `${SHOTS_DIR}/${name}.png`, fullPage: true, animations: "disabled" });
    }

    /** Puts units of a product into the basket, as its category shows it. */
    async add(id, quantity = 1) {
        await this.go(`#/?category=${id}`);
        await this.page.getByRole("button", { name: "Add", exact: false }).click();
        if (quantity > 1) {
            const box = this.page.getByLabel("Quantity of");
            await box.fill(String(quantity));
            await box.press("Enter");
        }
    }

    async fillAddress(recipient) {
        await this.page.getByLabel("Name", { exact: true }).fill(recipient);
        await this.page.getByLabel("Street and number").fill("12 St James's Square");
        await this.page.getByLabel("Postal code").fill("SW1Y 4JH");
        await this.page.getByLabel("Town").fill("London");
    }

    /** From a full basket to an order; `who` is the customer and marks the shipment. */
    async checkOut(who, card = "Visa") {
        await this.page.getByRole("link", { name: "Basket" }).click();
        await this.fillAddress(who);
        await this.page.getByLabel("Customer").fill(who);
        await this.page.getByLabel(card).check();
        await this.page.getByRole("button", { name: /^Order for/ }).click();
    }

    /** The id of the order on the screen. */
    async orderId() {
        await this.page.waitForURL(/#\/orders\/[0-9a-f-]{36}$/);
        return this.page.url().split("/").at(-1);
    }

    async waitForState(state) {
        await this.page.locator(`h1[data-state="${state}"]`).waitFor();
    }

    async waitForStep(kind, status) {
        await this.page.locator(`[data-kind="${kind}"][data-status="${status}"]`).waitFor();
    }

    /** The first barrier of each kind that axe finds, by the rules of WCAG 2.2 AA. */
    async barriers() {
        await this.page.evaluate(axe); // Not as a script of the page, which its policy would refuse.
        return this.page.evaluate(async () => {
            const { violations } = await window.axe.run(document, {
                runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
            });
            return violations.map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
        });
    }

    /** How much wider the page is than the window. */
    overflow() {
        return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    }
}
