// What a reload must not lose: kept in this tab's sessionStorage, under names of ours. A browser that
// refuses to store anything has a page that forgets, not one that fails.

const PREFIX = "orderd.";

export function load(name, otherwise) {
    try {
        return JSON.parse(sessionStorage.getItem(PREFIX + name)) ?? otherwise;
    } catch {
        return otherwise;
    }
}

export function save(name, value) {
    try {
        sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
    } catch {
        // Full or forbidden.
    }
}

export function forget(name) {
    try {
        sessionStorage.removeItem(PREFIX + name);
    } catch {
        // As above.
    }
}
