/** What PostgreSQL does for a statement: the tables and indexes it reads, and how many pages. */
import pg from "pg";
import { clientOptions } from "../../src/foundation/database/client.ts";

export interface PlanNode {
  kind: string;
  /** A table or partition. */
  relation: string | undefined;
  /** Of a partition: the name that the index has on the table as a whole. */
  index: string | undefined;
  /** Rows that it gave, in all of its loops. */
  rows: number;
}

export interface Plan {
  /** The statement, where it ran inside a function. */
  text: string | undefined;
  nodes: PlanNode[];
  /** Pages of 8 KiB, read from memory or disk. */
  buffers: number;
}

interface JsonNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Rows"?: number;
  "Actual Loops"?: number;
  "Shared Hit Blocks"?: number;
  "Shared Read Blocks"?: number;
  Plans?: JsonNode[];
}

interface JsonPlan {
  "Query Text"?: string;
  Plan: JsonNode;
}

/** A connection with the program's settings that explains. Nothing that it runs is kept. */
export interface Explainer {
  /** Runs a statement and rolls it back. `generic`: by the plan that a prepared statement has after a few calls. */
  explain(what: { text: string; values?: readonly unknown[]; generic: boolean }): Promise<Plan>;
  /**
   * Runs statements one after the other in one transaction, rolls it back, and gives the plans of everything that ran
   * inside functions during the last of them.
   */
  insideFunctions(calls: readonly { text: string; values: readonly unknown[] }[]): Promise<Plan[]>;
  close(): Promise<void>;
}

export async function openExplainer(url: string): Promise<Explainer> {
  const client = new pg.Client({ ...clientOptions({ url, applicationName: "plans" }), pipeline: false });
  let told: string[] = [];
  client.on("notice", ({ message }) => {
    if (message !== undefined) told.push(message);
  });
  await client.connect();
  await client.query("load 'auto_explain'");
  const { rows: inherited } = await client.query<{ child: string; parent: string }>(
    "select c.relname as child, p.relname as parent from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent where c.relkind in ('i', 'I')",
  );
  const indexNames = new Map(inherited.map(({ child, parent }) => [child, parent]));
  const planOf = (json: JsonPlan) => readPlan(json, indexNames);

  async function rolledBack<T>(work: () => Promise<T>): Promise<T> {
    await client.query("begin");
    try {
      return await work();
    } finally {
      await client.query("rollback");
    }
  }

  return {
    async explain({ text, values = [], generic }) {
      await client.query(`prepare explained as ${text}`);
      try {
        return await rolledBack(async () => {
          await client.query(`set local plan_cache_mode = force_${generic ? "generic" : "custom"}_plan`);
          const call = values.length === 0 ? "explained" : `explained (${values.map(literal).join(", ")})`;
          const { rows } = await client.query(`explain (analyze, buffers, timing off, format json) execute ${call}`);
          return planOf(rows[0]["QUERY PLAN"][0]);
        });
      } finally {
        await client.query("deallocate explained");
      }
    },

    insideFunctions: (calls) =>
      rolledBack(async () => {
        for (const { text, values } of calls.slice(0, -1)) await client.query(text, [...values]);
        const settings = {
          log_nested_statements: "on",
          log_analyze: "on",
          log_buffers: "on",
          log_timing: "off",
          log_format: "json",
        };
        for (const [name, value] of Object.entries(settings))
          await client.query(`set local auto_explain.${name} = ${value}`);
        await client.query("set local auto_explain.log_min_duration = 0");
        await client.query("set local client_min_messages = log");
        told = [];
        const { text, values } = calls.at(-1)!;
        await client.query(text, [...values]);
        const plans = told.flatMap((message) => {
          const at = message.indexOf("{");
          return message.startsWith("duration:") && at > 0 ? [planOf(JSON.parse(message.slice(at)))] : [];
        });
        await client.query("set local client_min_messages = warning");
        // The statement itself may be told of too; its plan is only the call.
        return plans.filter((plan) => plan.text !== text);
      }),

    close: () => client.end(),
  };
}

/** Text that the parameter's type reads. Arrays are written as PostgreSQL writes them; ours hold no text to escape. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return pg.escapeLiteral(`{${value.map((item) => item ?? "null").join(",")}}`);
  return pg.escapeLiteral(String(value));
}

function readPlan(json: JsonPlan, indexNames: ReadonlyMap<string, string>): Plan {
  const nodes: PlanNode[] = [];
  const walk = (node: JsonNode): void => {
    nodes.push({
      kind: node["Node Type"],
      relation: node["Relation Name"],
      index: indexNames.get(node["Index Name"] ?? "") ?? node["Index Name"],
      rows: (node["Actual Rows"] ?? 0) * (node["Actual Loops"] ?? 0),
    });
    node.Plans?.forEach(walk);
  };
  walk(json.Plan);
  const buffers = (json.Plan["Shared Hit Blocks"] ?? 0) + (json.Plan["Shared Read Blocks"] ?? 0);
  return { text: json["Query Text"], nodes, buffers };
}
