// Making elements, and telling screen readers. Text is always a text node and no markup is ever parsed,
// so nothing that an order contains can become code. Not for what is shown.

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("a", { class: "x", href: "#/", onclick: f }, "text", child, …). An attribute that is false or
 * undefined is left out, one that is true is empty; children that are false or null are left out.
 */
export function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") element.addEventListener(name.slice(2), value);
        else if (value !== false && value !== undefined && value !== null)
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== false && child != null));
    return element;
}

const icons = {
    check: "M6 12.5l4 4 8-9",
    cross: "M7.5 7.5l9 9m0-9l-9 9",
    question: "M9 9.2a3 3 0 1 1 4.3 2.7c-.9.5-1.3 1-1.3 2m0 3v.1",
    back: "M9 7l-4 4 4 4m-4-4h9a5 5 0 0 1 0 10h-2",
    plus: "M12 6v12m-6-6h12",
    minus: "M6 12h12",
    arrow: "M5 12h13m-5-5l5 5-5 5",
};

/** A line drawing that says nothing by itself: the words beside it do. */
export function icon(name) {
    const svg = document.createElementNS(SVG, "svg");
    const path = document.createElementNS(SVG, "path");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", icons[name]);
    svg.append(path);
    return svg;
}

/** Said by screen readers when they come to it; not seen. */
export function announce(text) {
    document.getElementById("status").textContent = text;
}

/** Fills a container anew when the key has changed; a focus that was inside goes to `refuge`. */
export function fill(container, key, build, refuge) {
    if (container.dataset.key === key) return;
    const hadFocus = container.contains(document.activeElement);
    container.dataset.key = key;
    container.replaceChildren(...[build()].flat(Infinity).filter(Boolean));
    if (hadFocus) refuge?.focus();
}
