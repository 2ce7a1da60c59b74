/** The conformance table of docs/expressions.md, and the reasons for what differs. */
import { type ConformanceCase, failureInCel, failureInJson, suiteNames } from "./conformance.ts";

/** Cases that fail under CEL's own number types, with the reason for each. */
export const exclusions: Readonly<Record<string, string>> = {};

interface Deviation {
  reason: string;
  applies(failure: string): boolean;
}

/** Why a case may differ as a user runs it; the first that applies counts. */
export const deviations: readonly Deviation[] = [
  {
    reason: "Protocol-buffer messages: there are no message types; JSON objects take their place.",
    applies: (failure) => failure.includes("message literals have no meaning here"),
  },
  {
    reason: "NaN and the infinities have no JSON, so a result that is one is an error.",
    applies: (failure) => failure.includes("which JSON cannot hold"),
  },
  {
    reason: "A function that does not exist is refused when the expression is compiled, not when it is reached.",
    applies: (failure) => failure.includes("there is no function"),
  },
  {
    reason: "`a \\|\\| 'x'` and `false && 32` are refused when compiled, because such a side never is a bool.",
    applies: (failure) => failure.includes("takes bools and gives a bool"),
  },
];

/** Markdown: cases and passes for each suite in both ways, then the exclusions and the deviations with their counts. */
export function conformanceTable(cases: readonly ConformanceCase[]): string {
  const rows = [...suiteNames, "all"].map((suite) => {
    const own = cases.filter((each) => suite === "all" || each.suite === suite);
    const cel = own.filter((each) => failureInCel(each) === undefined).length;
    const json = own.filter((each) => failureInJson(each) === undefined).length;
    return `| ${suite} | ${own.length} | ${share(cel, own.length)} | ${share(json, own.length)} |`;
  });
  const failures = cases.flatMap((each) => {
    const failure = failureInJson(each);
    return failure === undefined ? [] : [deviations.find(({ applies }) => applies(failure))];
  });
  const reasons = deviations.map((each) => `| ${each.reason} | ${failures.filter((own) => own === each).length} |`);
  const excluded = Object.entries(exclusions).map(([id, reason]) => `| \`${id}\` | ${reason} |`);
  return [
    "| suite | cases | CEL number types | JSON rules |",
    "|---|---|---|---|",
    ...rows,
    "",
    excluded.length === 0 ? "Under CEL's number types nothing is excluded." : "| excluded | reason |\n|---|---|",
    ...excluded,
    "",
    "| what differs under the JSON rules, by design | cases |",
    "|---|---|",
    ...reasons,
  ].join("\n");
}

function share(passed: number, of: number): string {
  return `${passed} (${((100 * passed) / of).toFixed(1)}%)`;
}
