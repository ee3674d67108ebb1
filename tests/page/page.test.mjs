// The page in a real browser, in front of the real programs: what a customer does, and what must never
// happen to one. Customers go side by side; each has products of their own, named after the test.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Line, Place, WAIT_MS } from "./place.mjs";

const place = new Place();
const DEVICES = {
    "wide-light": {},
    "wide-dark": { colorScheme: "dark" },
    "phone-light": { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
    "phone-dark": { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: "dark" },
    "narrow-light": { viewport: { width: 320, height: 640 } },
};

before(() => place.start(), { timeout: 4 * WAIT_MS });
after(() => place.stop());

/** A test with a visitor, who leaves with nothing to complain of. */
function visit(name, work, options = {}) {
    it(name, { timeout: 6 * WAIT_MS }, async () => {
        const line = await new Line().open(place);
        const visitor = await place.visitor({ url: line.url, ...options });
        try {
            await work(visitor, visitor.page, line);
        } catch (error) {
            await visitor.shot(`failed-${name.replaceAll(/\W+/g, "-")}`).catch(() => {});
            throw error;
        } finally {
            line.close();
        }
        await visitor.leave();
    });
}

/** The shipment is under way until the test lets it go: place.release(who). */
const holdShipment = (who) => place.fault({ mode: "latency", path: "ship", match: who, delayMs: 600_000 });

describe("the page", { concurrency: 3 }, () => {
    visit("an order goes through, and its steps light up as they happen", async (visitor, page) => {
        const product = await place.product({ id: "happy" });
        await holdShipment("happy-ada");
        await visitor.add("happy", 3);
        await visitor.checkOut("happy-ada");
        await visitor.waitForStep("FULFILL", "running"); // The answer of ProcessOrder is not there yet.
        await visitor.shot("steps-running");
        await place.release("happy-ada");
        await visitor.waitForState("FULFILLED");
        const id = await visitor.orderId();
        assert.deepEqual(visitor.steps.filter((step) => /running|done/.test(step)).slice(-2),
            ["FULFILL running", "FULFILL done"]);
        assert.equal(await page.locator('.step[data-status="done"]').count(), 3);
        assert.equal(await page.locator(".summary .total").innerText(), "Total\n€37.50");
        assert.deepEqual(await place.kept(id), { payments: 1, shipments: 1 });
        assert.equal(await place.available("happy"), Number(product.available) - 3);
        assert.equal(await page.locator("#basket-count").isVisible(), false, "the basket has become the order");

        // Found again: in the customer's list and by its id.
        await page.getByRole("link", { name: "Orders" }).click();
        await page.locator(".order-row").click();
        await visitor.waitForState("FULFILLED");
        await page.getByRole("link", { name: "Orders" }).click();
        await page.getByLabel("Find an order").fill(id);
        await page.getByRole("button", { name: "Find" }).click();
        await visitor.waitForState("FULFILLED");
    });

    visit("a declined card is explained, and another card pays", async (visitor, page) => {
        await place.product({ id: "declined" });
        await visitor.add("declined");
        await visitor.checkOut("declined-ada", "Empty card");
        await visitor.waitForState("FAILED");
        const notice = page.getByRole("alert");
        await notice.getByText("There is not enough money on it.").waitFor();
        assert.match(await notice.innerText(), /PAYMENT_DECLINED/);
        assert.equal(await page.locator('[data-kind="CHARGE"]').getAttribute("data-status"), "refused");
        assert.equal(await page.locator('[data-kind="RESERVE"]').getAttribute("data-status"), "undone");
        await visitor.shot("declined");
        const id = await visitor.orderId();
        assert.deepEqual(await place.kept(id), { payments: 0, shipments: 0 });

        await page.reload();
        await notice.getByText("PAYMENT_DECLINED").waitFor(); // What happened is not forgotten.
        await page.getByLabel("Visa").check();
        await page.getByRole("button", { name: "Try again with this card" }).click();
        await visitor.waitForState("FULFILLED");
        assert.equal(await notice.count(), 0);
        assert.deepEqual(await place.kept(id), { payments: 1, shipments: 1 });
    });

    visit("every other test card is explained in words of its own", async (visitor, page) => {
        await place.product({ id: "cards" });
        const cards = { "Declined card": "The card was declined", "Careful card": "The bank wants to ask you first" };
        for (const [card, words] of Object.entries(cards)) {
            await visitor.add("cards");
            await visitor.checkOut("cards-ada", card);
            await visitor.waitForState("FAILED");
            await page.getByRole("alert").getByText(words).waitFor();
        }
    });

    visit("short stock names the lines, and the basket is filled with what is there", async (visitor, page) => {
        await place.product({ id: "short", stock: 2 });
        await visitor.add("short", 5);
        await visitor.checkOut("short-ada");
        await visitor.waitForState("FAILED");
        await page.getByRole("alert").getByText("5 wanted, 2 there").waitFor();
        assert.equal(await page.locator('[data-kind="RESERVE"]').getAttribute("data-status"), "refused");
        assert.equal(await page.locator('[data-kind="CHARGE"]').getAttribute("data-status"), "skipped");
        await visitor.shot("short-stock");
        await page.getByRole("button", { name: "Back to the basket with what is there" }).click();
        assert.equal(await page.getByLabel("Quantity of").inputValue(), "2");
        await page.getByRole("button", { name: /^Order for/ }).click();
        await visitor.waitForState("FULFILLED");
        assert.equal(await place.available("short"), 0);

        await visitor.go("#/?category=short");
        assert.equal(await page.getByRole("button", { name: "Add Walnut short" }).isDisabled(), true);
    });

    visit("a shipment that is refused: the undos are seen, nothing is kept", async (visitor, page) => {
        await place.product({ id: "refused" });
        await place.fault({ mode: "422", path: "ship", match: "refused-ada" });
        await visitor.add("refused");
        await visitor.checkOut("refused-ada");
        await visitor.waitForState("FAILED");
        await page.getByRole("alert").getByText("FULFILLMENT_REJECTED").waitFor();
        await visitor.waitForStep("FULFILL", "refused");
        await visitor.waitForStep("CHARGE", "undone");
        await visitor.waitForStep("REFUND", "done");
        await visitor.shot("undone");
        assert.deepEqual(await place.kept(await visitor.orderId()), { payments: 0, shipments: 0 });
    });

    visit("a reload in the middle joins what is under way", async (visitor, page) => {
        const keys = [];
        page.on("request", (request) => {
            if (request.url().endsWith(":process")) keys.push(request.headers()["idempotency-key"]);
        });
        await place.product({ id: "reload" });
        await holdShipment("reload-ada");
        await visitor.add("reload");
        await visitor.checkOut("reload-ada");
        await visitor.waitForStep("FULFILL", "running");
        await page.reload();
        await visitor.waitForStep("FULFILL", "running");
        await place.release("reload-ada");
        await visitor.waitForState("FULFILLED");
        const id = await visitor.orderId();
        assert.equal((await place.order(id)).attempt, 1);
        assert.deepEqual(await place.kept(id), { payments: 1, shipments: 1 });
        assert.equal((await place.ledger(id)).payments.length, 1);
        assert.equal(keys.length, 2);
        assert.equal(keys[0], keys[1]);
    });

    visit("left before the order was answered, the page finishes it when it is back", async (visitor, page) => {
        await place.product({ id: "left" });
        await visitor.add("left");
        // The order is created, and its answer never arrives.
        const created = new Promise((resolve) => {
            page.route("**/v1/orders", (route) => resolve(route.fetch()), { times: 1 });
        });
        await visitor.checkOut("left-ada");
        assert.equal((await created).status(), 200);
        await page.getByRole("button", { name: "Sending the order" }).waitFor();
        await page.reload();
        await visitor.waitForState("FULFILLED");
        const { orders } = await (await fetch(`${place.url}/v1/orders?customerId=left-ada`)).json();
        assert.equal(orders.length, 1, "ordered once");
        assert.equal(await page.locator("#basket-count").isVisible(), false);
    });

    visit("an answer that invites a retry is repeated by the customer alone, with its key", async (visitor, page) => {
        await place.product({ id: "retry" });
        const keys = [];
        page.on("request", (request) => {
            if (request.url().endsWith(":process")) keys.push(request.headers()["idempotency-key"]);
        });
        const type = (name) => `type.googleapis.com/google.rpc.${name}`;
        const details = [
            { "@type": type("ErrorInfo"), reason: "PAYMENT_UNAVAILABLE", domain: "orders.shop.v1" },
            { "@type": type("RetryInfo"), retryDelay: "3s" },
        ];
        const error = { code: 503, status: "UNAVAILABLE", message: "the payment provider cannot be reached", details };
        await page.route("**/*:process", (route) => route.fulfill({ status: 503, json: { error } }), { times: 1 });
        await visitor.add("retry");
        await visitor.checkOut("retry-ada");
        await page.getByRole("alert").getByText("In 3 seconds at the earliest").waitFor();
        await page.reload();
        await page.getByRole("button", { name: "Pay" }).waitFor();
        assert.equal(keys.length, 1);
        await page.getByRole("button", { name: "Pay" }).click();
        await visitor.waitForState("FULFILLED");
        assert.equal(keys.length, 2);
        assert.equal(keys[0], keys[1]);
    });

    visit("who leaves the basket while the order cannot be sent has not ordered", async (visitor, page) => {
        await place.product({ id: "better-not" });
        await visitor.add("better-not");
        await page.getByRole("link", { name: "Basket" }).click();
        await page.getByText("each").waitFor();
        await page.context().setOffline(true);
        await visitor.checkOut("better-not-ada");
        await page.getByRole("button", { name: "Sending the order" }).waitFor();
        await page.getByRole("link", { name: "Catalogue", exact: true }).click();
        await page.context().setOffline(false);
        await page.getByRole("link", { name: "Basket" }).click();
        await page.getByRole("button", { name: /^Order for/ }).waitFor();
        const { orders } = await (await fetch(`${place.url}/v1/orders?customerId=better-not-ada`)).json();
        assert.equal(orders.length, 0);
    });

    visit("offline and back: a banner says so, the order goes on, the page catches up", async (visitor, page, line) => {
        await place.product({ id: "offline" });
        await holdShipment("offline-ada");
        await visitor.add("offline");
        await visitor.checkOut("offline-ada");
        await visitor.waitForStep("FULFILL", "running");
        await page.context().setOffline(true);
        line.cut();
        await page.locator("#banner").getByText("You are offline").waitFor();
        await visitor.shot("offline");
        const id = await visitor.orderId();
        await place.release("offline-ada");
        while ((await place.order(id)).state !== "FULFILLED") await page.waitForTimeout(50);
        await visitor.waitForStep("FULFILL", "running"); // Nobody has told this page.
        line.mend();
        await page.context().setOffline(false);
        await visitor.waitForState("FULFILLED");
        await page.locator("#banner:empty").waitFor({ state: "attached" });
        assert.deepEqual(await place.kept(id), { payments: 1, shipments: 1 });
    });

    visit("a line that is cut is said to be lost, and tried until it is back", async (visitor, page, line) => {
        await place.product({ id: "cut" });
        await holdShipment("cut-ada");
        await visitor.add("cut");
        await visitor.checkOut("cut-ada");
        await visitor.waitForStep("FULFILL", "running");
        line.cut();
        await page.locator("#banner").getByText("The connection to the shop is lost").waitFor();
        const id = await visitor.orderId();
        await place.release("cut-ada");
        while ((await place.order(id)).state !== "FULFILLED") await page.waitForTimeout(50);
        line.mend();
        await visitor.waitForState("FULFILLED");
        await page.locator("#banner:empty").waitFor({ state: "attached" });
        assert.equal((await place.order(id)).attempt, 1);
        assert.deepEqual(await place.kept(id), { payments: 1, shipments: 1 });
    });

    visit("a tab that is not looked at gives its stream back, and catches up when it is", async (visitor, page) => {
        await place.product({ id: "hidden" });
        await holdShipment("hidden-ada");
        await visitor.add("hidden");
        await visitor.checkOut("hidden-ada");
        await visitor.waitForStep("FULFILL", "running");
        const ended = page.waitForEvent("requestfailed", (request) => request.url().includes(":watch"));
        const hide = (isHidden) => page.evaluate((value) => {
            Object.defineProperty(document, "hidden", { value, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }, isHidden);
        await hide(true);
        await ended;
        await place.release("hidden-ada");
        await hide(false);
        await visitor.waitForState("FULFILLED");
    });

    /** An order that somebody else processes, and whose shipment is held. */
    async function orderUnderWay(id) {
        await place.product({ id });
        await holdShipment(`${id}-ada`);
        const shipTo = { recipient: `${id}-ada`, addressLines: ["1 Main Street"], regionCode: "GB" };
        const order = await place.post("/v1/orders",
            { customerId: `${id}-ada`, lines: [{ productId: id, quantity: 1 }], shipTo });
        const answer = place.post(`/v1/orders/${order.id}:process`, { paymentMethod: "pm_card_visa" });
        return { id: order.id, answer };
    }

    visit("where no stream is to be had, the page looks by itself", async (visitor, page) => {
        await page.route("**/*:watch*", (route) => route.fulfill({ status: 429, body: "{}" }));
        const { id, answer } = await orderUnderWay("streamless");
        await visitor.go(`#/orders/${id}`);
        await visitor.waitForStep("FULFILL", "running");
        await place.release("streamless-ada");
        await visitor.waitForState("FULFILLED");
        await answer;
        const asked = [];
        page.on("request", (request) => asked.push(request.url()));
        await page.waitForTimeout(2500);
        assert.deepEqual(asked, [], "and stops when there is nothing to come");
    });

    visit("a stream that ends for a restart is opened again", async (visitor, page) => {
        const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1s" }];
        const body = `event: error\ndata: ${JSON.stringify({ error: { message: "restart", details } })}\n\n`;
        await page.route("**/*:watch*",
            (route) => route.fulfill({ contentType: "text/event-stream", body }), { times: 1 });
        const { id, answer } = await orderUnderWay("restart");
        await visitor.go(`#/orders/${id}`);
        await page.locator("#banner").getByText("The connection to the shop is lost").waitFor();
        await place.release("restart-ada");
        await visitor.waitForState("FULFILLED");
        await page.locator("#banner:empty").waitFor({ state: "attached" });
        await answer;
    });

    visit("an order sent while offline goes out once when the shop is back", async (visitor, page) => {
        await place.product({ id: "sent-offline" });
        await visitor.add("sent-offline");
        await page.getByRole("link", { name: "Basket" }).click();
        await page.getByText("each").waitFor();
        await page.context().setOffline(true);
        await visitor.checkOut("sent-offline-ada");
        await page.getByRole("button", { name: "Sending the order" }).waitFor();
        await page.context().setOffline(false);
        await visitor.waitForState("FULFILLED");
        const { orders } = await (await fetch(`${place.url}/v1/orders?customerId=sent-offline-ada`)).json();
        assert.equal(orders.length, 1);
    });

    visit("a cancelled order is undone before the eyes of the customer", async (visitor, page) => {
        await place.product({ id: "cancel" });
        await holdShipment("cancel-ada");
        await visitor.add("cancel");
        await visitor.checkOut("cancel-ada");
        await visitor.waitForStep("FULFILL", "running");
        await page.getByRole("button", { name: "Cancel the order" }).click();
        await visitor.shot("cancel-asked");
        await page.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
        await page.getByRole("button", { name: "Cancel the order" }).click();
        const wished = page.waitForResponse((response) => response.url().endsWith(":cancel"));
        await page.getByRole("dialog").getByRole("button", { name: "Cancel the order" }).click();
        await wished;
        await place.release("cancel-ada");
        await visitor.waitForState("CANCELLED");
        await visitor.waitForStep("REFUND", "done");
        await visitor.shot("cancelled");
        const id = await visitor.orderId();
        assert.deepEqual(await place.kept(id), { payments: 0, shipments: 0 });
        assert.equal(await place.available("cancel"), 50);
    });

    visit("with the keyboard alone, from the catalogue to the order", async (visitor, page) => {
        await place.product({ id: "keys" });
        await visitor.go("#/?category=keys");
        await page.getByRole("button", { name: "Add Walnut keys" }).waitFor();
        const focused = () => page.evaluate(() => {
            const { activeElement: at } = document;
            return `${at.tagName} ${at.getAttribute("aria-label") ?? at.id} ${at.textContent}`;
        });
        const tabTo = async (pattern) => {
            for (let i = 0; i < 60; i++) {
                await page.keyboard.press("Tab");
                if (pattern.test(await focused())) return;
            }
            assert.fail(`Tab never came to ${pattern}`);
        };
        await page.keyboard.press("Tab");
        assert.match(await focused(), /Skip to the content/);
        assert.ok(await page.locator(".skip").evaluate((link) => link.getBoundingClientRect().top >= 0), "it is seen");
        await page.keyboard.press("Enter");
        assert.match(await focused(), /^MAIN/);
        await tabTo(/Add Walnut keys/);
        await page.keyboard.press("Enter");
        assert.match(await focused(), /One more/); // Where the next key press is wanted.
        await page.keyboard.press("Space");
        await page.locator("#status").getByText("2 of Walnut keys in the basket").waitFor({ state: "attached" });
        await page.keyboard.press("Shift+Tab");
        await page.keyboard.press("Shift+Tab");
        assert.match(await focused(), /One less/);
        await page.evaluate(() => document.querySelector(".brand").focus());
        await tabTo(/Basket/);
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "Basket" }).waitFor();
        assert.match(await focused(), /^H1/); // The new screen is announced from its beginning.
        for (const [id, text] of [["recipient", "Ada"], ["line1", "1 Main Street"], ["locality", "London"]]) {
            await tabTo(new RegExp(`^INPUT ${id} `));
            await page.keyboard.type(text);
        }
        await tabTo(/^INPUT {2}/); // The chosen card; arrows choose another one and come back.
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("ArrowUp");
        await tabTo(/Order for/);
        await page.keyboard.press("Enter");
        await visitor.waitForState("FULFILLED");
        await page.locator("#status").getByText("Thank you").waitFor({ state: "attached" });
    });

    visit("what is refused by the service is marked at its field", async (visitor, page) => {
        await place.product({ id: "fields" });
        await visitor.add("fields");
        await page.getByRole("link", { name: "Basket" }).click();
        await visitor.fillAddress("x");
        // The browser's own check is passed by; the service has the last word.
        await page.locator("form.checkout").evaluate((form) => { form.noValidate = true; });
        await page.getByLabel("Name", { exact: true }).fill("");
        await page.getByLabel("Customer").fill("Not A Name!");
        await page.getByRole("button", { name: /^Order for/ }).click();
        await page.locator("#recipient-problem:not(:empty)").waitFor();
        await page.locator("#customer-problem:not(:empty)").waitFor();
        assert.equal(await page.evaluate(() => document.activeElement.id), "recipient");
        await visitor.shot("fields-refused");
    });

    visit("an order that does not exist is said to be unknown", async (visitor, page) => {
        await visitor.go("#/orders/01a20bd7-5b9b-723a-9adb-000000000000");
        await page.getByRole("alert").getByText("There is no such order").waitFor();
        assert.match(await page.getByRole("alert").innerText(), /ORDER_NOT_FOUND/);
    });

    visit("the catalogue goes page by page and by category, and its address can be kept", async (visitor, page) => {
        await Promise.all(Array.from({ length: 14 }, (_, i) =>
            place.product({ id: `paged-${String(i).padStart(2, "0")}`, category: "paged-things" })));
        await visitor.go();
        await page.getByRole("link", { name: "Paged things" }).click();
        await page.getByRole("heading", { name: "Paged things", level: 1 }).waitFor();
        await page.getByRole("heading", { name: "Walnut paged-11" }).waitFor();
        assert.equal(await page.locator(".product").count(), 12);
        await page.getByRole("link", { name: "Next" }).click();
        await page.getByRole("heading", { name: "Walnut paged-13" }).waitFor();
        assert.equal(await page.locator(".product").count(), 2);
        await page.reload();
        await page.getByRole("heading", { name: "Walnut paged-13" }).waitFor();
        await page.goBack();
        await page.getByRole("heading", { name: "Walnut paged-00" }).waitFor();
    });

    visit("a basket of two currencies becomes two orders, and outlives a reload", async (visitor, page) => {
        await place.product({ id: "euros" });
        await place.product({ id: "yens", currency: "JPY", units: "1600", nanos: 0 });
        await visitor.add("euros", 2);
        await visitor.add("yens", 3);
        await page.reload();
        await visitor.go("#/basket");
        await page.getByLabel(/in JPY/).check();
        await page.getByRole("button", { name: /Order for JP?¥4,800/ }).waitFor();
        await visitor.checkOut("currencies-ada");
        await visitor.waitForState("FULFILLED");
        await page.getByRole("link", { name: "Basket" }).click();
        await page.getByRole("button", { name: "Order for €25.00" }).click();
        await visitor.waitForState("FULFILLED");
    });

    visit("text of a product is text, whatever stands in it", async (visitor, page) => {
        const name = "<img src=x onerror=complain('run')> & <b>bold</b>";
        await place.product({ id: "hostile", name, description: "</p><script>complain('run')</script>" });
        await visitor.add("hostile");
        assert.equal(await page.locator(".product-name").innerText(), name);
        await visitor.checkOut("hostile-ada");
        await visitor.waitForState("FULFILLED");
        assert.match(await page.locator(".receipt").innerText(), /<b>bold<\/b>/);
    });

    for (const [device, options] of Object.entries(DEVICES)) {
        visit(`no barrier and nothing too wide: ${device}`, async (visitor, page) => {
            const id = `every-screen-${device}`;
            await place.product({ id, name: "A desk of walnut with a name that takes more than one line", stock: 5,
                description: "Oiled by hand; it darkens with the years.", units: "1234567" });
            const look = async (name) => {
                await visitor.shot(`${device}-${name}`);
                assert.equal(await visitor.overflow(), 0, `${name} is wider than the window`);
                assert.deepEqual(await visitor.barriers(), [], name);
            };
            await visitor.go(`#/?category=${id}`);
            await page.locator(".categories").waitFor();
            await visitor.add(id, 2);
            await look("catalogue");
            await visitor.checkOut(id, "Declined card");
            await visitor.waitForState("FAILED");
            await page.getByRole("alert").waitFor();
            await look("order");
            await page.getByRole("button", { name: "Put it back into the basket" }).click();
            await page.getByRole("heading", { name: "Your order" }).waitFor();
            await look("basket");
            await page.getByRole("link", { name: "Orders" }).click();
            await page.locator(".order-row").waitFor();
            await look("orders");
        }, options);
    }

    visit("dark where the system is dark", async (visitor, page) => {
        const brightness = () => page.evaluate(() =>
            Number(getComputedStyle(document.documentElement).backgroundColor.match(/\d+/)[0]));
        await visitor.go();
        assert.ok(await brightness() > 200);
        await page.emulateMedia({ colorScheme: "dark" });
        assert.ok(await brightness() < 60);
    });

    visit("nothing moves for those who asked for that", async (visitor, page) => {
        await place.product({ id: "still" });
        await holdShipment("still-ada");
        await visitor.add("still");
        await visitor.checkOut("still-ada");
        await visitor.waitForStep("FULFILL", "running");
        const moving = await page.evaluate(() => document.getAnimations().filter(
            (animation) => animation.effect.getComputedTiming().duration > 1).length);
        assert.equal(moving, 0);
        await place.release("still-ada");
        await visitor.waitForState("FULFILLED");
    }, { reducedMotion: "reduce" });
});
