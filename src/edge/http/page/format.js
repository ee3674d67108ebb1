// Money and times, for people. Amounts stay integers (nanos of a unit) from the answer to the screen: a
// float would be wrong by a cent one day. Not for the words around them.

const NANOS_PER_UNIT = 1_000_000_000n;

/** An amount of the API as nanos: exact, and it can be added and multiplied. */
export function toNanos(money) {
    return BigInt(money.units ?? 0) * NANOS_PER_UNIT + BigInt(money.nanos ?? 0);
}

/** "12.5": what Intl.NumberFormat reads digit by digit, where a number would be rounded. */
function toDecimal(nanos) {
    const size = nanos < 0n ? -nanos : nanos;
    const fraction = String(size % NANOS_PER_UNIT).padStart(9, "0").replace(/0+$/, "");
    return `${nanos < 0n ? "-" : ""}${size / NANOS_PER_UNIT}${fraction && `.${fraction}`}`;
}

/** Nanos of a currency as its readers write it; more digits than usual only where they are not zero. */
export function formatNanos(nanos, currency) {
    const decimal = toDecimal(nanos);
    const digits = decimal.split(".")[1]?.length ?? 0;
    const options = { style: "currency", currency };
    try {
        const usual = new Intl.NumberFormat(undefined, options).resolvedOptions().maximumFractionDigits;
        if (digits > usual) options.maximumFractionDigits = digits;
        return new Intl.NumberFormat(undefined, options).format(decimal);
    } catch {
        return `${decimal} ${currency}`; // A currency code the browser cannot read.
    }
}

export function formatMoney(money) {
    return formatNanos(toNanos(money), money.currencyCode);
}

const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const timeOnly = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export const formatDateTime = (timestamp) => dateAndTime.format(new Date(timestamp));
export const formatTime = (timestamp) => timeOnly.format(new Date(timestamp));

/** How long something took: "35 ms", "1.4 s", "3 min". */
export function formatDuration(start, end) {
    const ms = Math.max(0, Date.parse(end) - Date.parse(start));
    if (ms < 1000) return `${ms} ms`;
    if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
    return `${Math.round(ms / 60_000)} min`;
}

/** "1 piece", "3 pieces". */
export function count(number, one, many = `${one}s`) {
    return `${new Intl.NumberFormat().format(number)} ${BigInt(number) === 1n ? one : many}`;
}
