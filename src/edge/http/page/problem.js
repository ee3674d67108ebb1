// Why something failed, taken apart: google.rpc.Status as it stands in an answer, in order.failure and in
// step.error. Not for explaining it: that is advice.js.

/** What a detail of that type holds, or {}. */
function detail(status, type) {
    return status.details?.find((any) => any["@type"] === `type.googleapis.com/google.rpc.${type}`) ?? {};
}

/** "1.500s" */
function seconds(duration) {
    return duration === undefined ? undefined : Math.ceil(Number.parseFloat(duration));
}

export class Problem extends Error {
    constructor(status, httpStatus) {
        super(status.message || "no reason was given");
        const info = detail(status, "ErrorInfo");
        this.httpStatus = httpStatus;
        this.reason = info.reason ?? "";
        this.metadata = info.metadata ?? {};
        this.fields = detail(status, "BadRequest").fieldViolations ?? [];
        this.conditions = detail(status, "PreconditionFailure").violations ?? [];
        this.retrySeconds = seconds(detail(status, "RetryInfo").retryDelay);
    }

    /** Lines for which there is not enough: [{ productId, wanted, available }], counts when they are known. */
    get shortLines() {
        return this.conditions.filter((violation) => violation.type === "STOCK").map((violation) => {
            const counts = /^(\d+) requested, (\d+) available$/.exec(violation.description);
            return {
                productId: violation.subject.replace(/^products\//, ""),
                wanted: counts && Number(counts[1]),
                available: counts && Number(counts[2]),
            };
        });
    }
}

/** No answer came at all: not known whether the request arrived. */
export class ConnectionLost extends Error {
    constructor() {
        super("the shop cannot be reached");
        this.reason = "CONNECTION_LOST";
    }
}
