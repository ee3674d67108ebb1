// Where an order goes and whose it is: the fields of the form, kept for this tab.

import { h } from "./dom.js";
import { load, save } from "./session.js";

const NAME = "address";

// ISO 3166-1; their names come from the browser, in its language.
const REGIONS = `AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ
FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS
IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN
MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN
TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`.split(/\s+/);

//  name          of the API                 label                 for the browser   more
const FIELDS = [
    ["recipient", "shipTo.recipient",        "Name",               "name",           { required: true }],
    ["line1",     "shipTo.addressLines[0]",  "Street and number",  "address-line1",  { required: true }],
    ["line2",     "shipTo.addressLines[1]",  "Further line",       "address-line2",  { isOptional: true }],
    ["postal",    "shipTo.postalCode",       "Postal code",        "postal-code",    { isShort: true }],
    ["locality",  "shipTo.locality",         "Town",               "address-level2", { isShort: true }],
];
const TEXT_MAX = 200;
const CUSTOMER_PATTERN = "[a-z0-9][a-z0-9_.\\-]{0,62}";

function field(name, apiField, label, hint, input) {
    return h("div", { class: "field", "data-field": apiField },
        h("label", { for: name }, label), hint && h("p", { class: "hint", id: `${name}-hint` }, hint),
        input, h("p", { class: "field-problem", id: `${name}-problem` }));
}

function textField([name, apiField, label, autocomplete, more], values) {
    const box = field(name, apiField, more.isOptional ? `${label} (optional)` : label, "", h("input", {
        id: name, name, autocomplete, value: values[name] ?? "", maxlength: TEXT_MAX,
        required: more.required, "aria-describedby": `${name}-problem`,
    }));
    if (more.isShort) box.classList.add("short");
    return box;
}

function regionField(values) {
    const names = new Intl.DisplayNames(undefined, { type: "region" });
    const chosen = values.region ?? new Intl.Locale(navigator.language).region ?? "GB";
    const options = REGIONS.map((code) => [code, names.of(code)]).sort((a, b) => a[1].localeCompare(b[1]));
    return field("region", "shipTo.regionCode", "Country", "", h("select", {
        id: "region", name: "region", autocomplete: "country", "aria-describedby": "region-problem",
    }, options.map(([code, name]) => h("option", { value: code, selected: code === chosen }, name))));
}

function customerField(values) {
    return field("customer", "customerId", "Customer", "Your orders are listed under this name.", h("input", {
        id: "customer", name: "customer", required: true, pattern: CUSTOMER_PATTERN, autocapitalize: "none",
        spellcheck: "false", autocomplete: "username", value: values.customer ?? customerName(),
        title: "Small letters, digits, - _ and .", "aria-describedby": "customer-hint customer-problem",
    }));
}

/** Whose orders are looked at unless another name is given. */
export const customerName = () => load(NAME, {}).customer ?? "guest";

/** Two groups of fields, filled with what was typed before. */
export function addressFields() {
    const values = load(NAME, {});
    return [
        h("fieldset", { class: "fields" }, h("legend", {}, "Where to"),
            FIELDS.map((row) => textField(row, values)), regionField(values)),
        h("fieldset", { class: "fields" }, h("legend", {}, "Who orders"), customerField(values)),
    ];
}

const valuesOf = (form) => Object.fromEntries(new FormData(form));

export const remember = (form) => save(NAME, valuesOf(form));

/** { customerId, shipTo } of the API. */
export function readAddress(form) {
    const { recipient, line1, line2, postal, locality, region, customer } = valuesOf(form);
    return {
        customerId: customer,
        shipTo: {
            recipient,
            addressLines: [line1, line2].filter((line) => line.trim() !== ""),
            postalCode: postal,
            locality,
            regionCode: region,
        },
    };
}

/** Marks the fields the service refused; returns the violations of which the form has no field. */
export function markFields(form, violations) {
    const boxes = [...form.querySelectorAll("[data-field]")];
    const camel = (path) => path.replaceAll(/_([a-z])/g, (_, letter) => letter.toUpperCase());
    for (const box of boxes) {
        const found = violations.find((violation) => camel(violation.field) === box.dataset.field);
        box.querySelector(".field-problem").textContent = found ? found.description : "";
        box.querySelector("input, select").setAttribute("aria-invalid", Boolean(found));
    }
    form.querySelector('[aria-invalid="true"]')?.focus();
    return violations.filter((violation) => !boxes.some((box) => box.dataset.field === camel(violation.field)));
}
