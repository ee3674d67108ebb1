// The test cards: what a customer pays with here. A token of the payment provider, never a number.

import { h } from "./dom.js";
import { load, save } from "./session.js";

const CARDS = [
    ["pm_card_visa", "Visa", "is accepted"],
    ["pm_card_chargeDeclined", "Declined card", "the bank says no"],
    ["pm_card_chargeDeclinedInsufficientFunds", "Empty card", "too little money on it"],
    ["pm_card_authenticationRequired", "Careful card", "the bank wants to ask first"],
];

/** A group of choices; its value is that of the input named "card". */
export function cardChoice() {
    const chosen = load("card", CARDS[0][0]);
    return h("fieldset", { class: "cards", onchange: (event) => save("card", event.target.value) },
        h("legend", {}, "Test card"),
        CARDS.map(([token, name, note]) => h("label", { class: "card" },
            h("input", { type: "radio", name: "card", value: token, checked: token === chosen }),
            h("span", { class: "card-name" }, name),
            h("span", { class: "card-note" }, note))));
}

export const chosenCard = (form) => new FormData(form).get("card");
