// An order's changes as they happen, by server-sent events. Reconnects until the stream says that it has
// ended; the newest state comes first each time, so nothing is missed. Where no stream is to be had (too
// many watchers, something between that forbids it), the order is looked at now and then instead.

import { getOrder, watchUrl } from "./api.js";
import { setLost } from "./connection.js";
import { Problem } from "./problem.js";
import { isOver } from "./steps.js";

const RETRY_MS = 2000;

/** on: { order(order), refused(problem) }. With afterRevision only later states are told. */
export function watchOrder(id, afterRevision, on) {
    const who = {};
    let source, timer;
    let isClosed = false;

    function open() {
        clearTimeout(timer);
        source?.close();
        source = new EventSource(watchUrl(id, afterRevision));
        source.addEventListener("open", () => setLost(who, false));
        source.addEventListener("message", (event) => on.order(JSON.parse(event.data)));
        source.addEventListener("end", close);
        source.addEventListener("error", onError);
    }

    // One name, two things: with data the service says why it ends, without the connection has failed.
    function onError(event) {
        if (event.data) onRefused(new Problem(JSON.parse(event.data).error ?? {}));
        else if (source.readyState === EventSource.CLOSED) look(); // It was refused: 204 when there is nothing to come.
        else setLost(who, true); // The browser connects again by itself.
    }

    function onRefused(problem) {
        const isForNow = problem.retrySeconds !== undefined; // A restart, or a database that is away.
        if (isForNow) {
            source.close();
            setLost(who, true);
            timer = setTimeout(open, RETRY_MS);
        } else {
            close();
            on.refused(problem);
        }
    }

    async function look() {
        try {
            const order = await getOrder(id);
            if (isClosed) return;
            setLost(who, false);
            on.order(order);
            if (isOver(order.state) && order.revision !== afterRevision) close();
        } catch (problem) {
            if (!isClosed) setLost(who, problem.reason === "CONNECTION_LOST");
        }
        if (!isClosed) timer = setTimeout(open, RETRY_MS);
    }

    function close() {
        isClosed = true;
        clearTimeout(timer);
        window.removeEventListener("online", open);
        source.close();
        setLost(who, false);
    }

    window.addEventListener("online", open); // Sooner than the browser would try by itself.
    open();
    return { close };
}
