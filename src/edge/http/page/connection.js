// Whether the shop can be reached, said in one banner. Whoever finds out tells it here, and whoever waits
// for better times waits here.

const RETRY_MS = 2500;

const lost = new Set();

function show() {
    const banner = document.getElementById("banner");
    const text = !navigator.onLine
        ? "You are offline. Orders under way go on without this page, and it catches up when you are back."
        : lost.size > 0 ? "The connection to the shop is lost; trying again. Orders under way go on without it." : "";
    if (banner.textContent !== text) banner.textContent = text;
}

/** `who` cannot reach the shop, or can again. */
export function setLost(who, isLost) {
    if (isLost) lost.add(who);
    else lost.delete(who);
    show();
}

export function start() {
    for (const name of ["online", "offline"]) window.addEventListener(name, show);
    show();
}

/** Until the next try is worth it: the network is back, or some time has passed. Rejects when aborted. */
function nextTry(signal) {
    return new Promise((resolve, reject) => {
        const ended = new AbortController();
        const timer = setTimeout(() => navigator.onLine && end(resolve), RETRY_MS);
        const end = (settle, value) => {
            clearTimeout(timer);
            ended.abort();
            settle(value);
        };
        window.addEventListener("online", () => end(resolve), { signal: ended.signal });
        signal?.addEventListener("abort", () => end(reject, signal.reason), { signal: ended.signal });
    });
}

/** work(), again and again while no answer comes; so it must be safe to repeat. */
export async function untilAnswered(work, signal) {
    const who = {};
    try {
        for (;;) {
            try {
                return await work();
            } catch (error) {
                if (error.reason !== "CONNECTION_LOST" || signal?.aborted) throw error;
            }
            setLost(who, true);
            await nextTry(signal);
        }
    } finally {
        setLost(who, false);
    }
}
