// Which categories there are. The service does not list them, so the first products are asked for theirs;
// of a very large catalogue this finds some, and the rest can be typed.

import { listProducts } from "./api.js";
import { load, save } from "./session.js";

const NAME = "categories";
const PAGE_SIZE = 100;
const PAGES_MAX = 5;
const FRESH_MS = 10 * 60_000;

async function scan(signal) {
    const names = new Set();
    let pageToken = "";
    for (let page = 0; page < PAGES_MAX; page++) {
        const answer = await listProducts({ pageSize: PAGE_SIZE, pageToken }, signal);
        for (const product of answer.products) {
            if (product.category) names.add(product.category);
        }
        pageToken = answer.nextPageToken;
        if (!pageToken) break;
    }
    return { names: [...names].sort(), isComplete: !pageToken, time: Date.now() };
}

/** { names, isComplete } */
export async function categories(signal) {
    const known = load(NAME, { time: 0 });
    if (Date.now() - known.time < FRESH_MS) return known;
    const found = await scan(signal);
    save(NAME, found);
    return found;
}

/** "tea-and-coffee" as people write it. */
export function titleOf(category) {
    const words = category.replaceAll(/[-_.]+/g, " ");
    return words.charAt(0).toUpperCase() + words.slice(1);
}
