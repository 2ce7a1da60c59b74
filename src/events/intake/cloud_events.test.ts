/**
 * The cases of the public suite for the JSON format and of the feature of the HTTP binding (github.com/cloudevents/conformance,
 * format/json and features/http-protocol-binding.feature) as tables, by the suite's names, and cases of the specification
 * beside them. `type` is io.cloudevents.test and `source` https://cloudevents.io where a case does not say otherwise.
 */
import { describe, expect, test } from "vitest";
import { AppError } from "../../foundation/errors.ts";
import { readSubmission } from "./body.ts";

type Event = Record<string, unknown>;

const minimal: Event = {
  specversion: "1.0",
  id: "minimal",
  type: "io.cloudevents.test",
  source: "https://cloudevents.io",
};
const allCore: Event = {
  ...minimal,
  id: "allCore",
  datacontenttype: "text/plain",
  dataschema: "https://cloudevents.io/dataschema",
  subject: "tests",
  time: "2018-04-05T17:31:00Z",
};
const extensions = {
  extinteger: 10,
  extboolean: true,
  extstring: "text",
  exturi: "https://cloudevents.io",
  exturiref: "//authority/path",
  exttimestamp: "2023-03-31T15:12:00Z",
  extbinary: "TWE=",
};
const read = {
  eventId: "minimal",
  pattern: "io.cloudevents.test",
  payload: null,
  source: { type: "external", id: "https://cloudevents.io" },
  sourceKey: "https://cloudevents.io",
  metadata: {},
};
const timed = { ...read, timestamp: "2018-04-05T17:31:00.000Z" };
const structured = { "content-type": "application/cloudevents+json" };
const batched = { "content-type": "application/cloudevents-batch+json" };

const only = (body: unknown, headers: Record<string, string> = structured) => {
  const { events, isBatch } = readSubmission({ body, headers });
  expect([events.length, isBatch]).toEqual([1, false]);
  return events[0]!.event;
};

/** Where a body is at fault. */
function faultsOf(body: unknown, headers: Record<string, string>): string[] {
  try {
    readSubmission({ body, headers });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    expect(error.status).toBe(400);
    for (const { message } of error.errors!) expect(message).not.toBe("");
    return error.errors!.map(({ pointer }) => pointer);
  }
  return [];
}

const valid: [name: string, event: Event, expected: Event][] = [
  ["validMinimal", minimal, read],
  [
    "validMinimalWithNullForOptional",
    { ...minimal, datacontenttype: null, dataschema: null, subject: null, time: null },
    read,
  ],
  [
    "validAllCoreAttributes",
    allCore,
    {
      ...timed,
      eventId: "allCore",
      metadata: { datacontenttype: "text/plain", dataschema: "https://cloudevents.io/dataschema", subject: "tests" },
    },
  ],
  ["validMinimalWithTimeUtc", { ...minimal, time: "2018-04-05T17:31:00Z" }, timed],
  ["validMinimalWithTimeToNanosecondsUtc", { ...minimal, time: "2018-04-05T17:31:00.000000000Z" }, timed],
  ["validMinimalWithTimeUsingPositiveOffset", { ...minimal, time: "2018-04-05T18:31:00+01:00" }, timed],
  ["validMinimalWithTimeUsingNegativeOffset", { ...minimal, time: "2018-04-05T16:31:00-01:00" }, timed],
  [
    "validRelativeSource",
    { ...minimal, source: "#fragment" },
    { ...read, source: { type: "external", id: "#fragment" }, sourceKey: "#fragment" },
  ],
  [
    "validSimpleTextData",
    { ...minimal, datacontenttype: "text/plain", data: "Simple text" },
    { ...read, payload: "Simple text", metadata: { datacontenttype: "text/plain" } },
  ],
  ["validAllExtensionTypes", { ...minimal, ...extensions }, { ...read, metadata: { extensions } }],
  ["an extension that is null is absent", { ...minimal, other: null }, read],
  [
    "the largest and the smallest Integer",
    { ...minimal, a: 2 ** 31 - 1, b: -(2 ** 31) },
    {
      ...read,
      metadata: { extensions: { a: 2 ** 31 - 1, b: -(2 ** 31) } },
    },
  ],
  ["data of any JSON", { ...minimal, data: [1, { a: null }] }, { ...read, payload: [1, { a: null }] }],
  ["data that is null", { ...minimal, data: null }, read],
  [
    "bytes stay base64",
    { ...minimal, data_base64: "TWE=" },
    { ...read, payload: "TWE=", metadata: { dataEncoding: "base64" } },
  ],
  [
    "bytes that are JSON, as their type says, are read",
    { ...minimal, datacontenttype: "application/vnd.x+json; charset=utf-8", data_base64: "eyAieHl6IjogMTIzIH0=" },
    { ...read, payload: { xyz: 123 }, metadata: { datacontenttype: "application/vnd.x+json; charset=utf-8" } },
  ],
  ["data_base64 that is null is absent", { ...minimal, data: 1, data_base64: null }, { ...read, payload: 1 }],
  [
    "a partition key",
    { ...minimal, partitionkey: "k" },
    { ...read, partitionKey: "k", metadata: { extensions: { partitionkey: "k" } } },
  ],
  [
    "a trace, a correlation and a cause",
    {
      ...minimal,
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      correlationid: "c",
      causationid: "d",
    },
    {
      ...read,
      metadata: {
        correlationId: "c",
        causationId: "d",
        traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
        extensions: {
          traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          correlationid: "c",
          causationid: "d",
        },
      },
    },
  ],
  ["a leap second", { ...minimal, time: "2016-12-31T23:59:60Z" }, { ...read, timestamp: "2017-01-01T00:00:00.000Z" }],
  [
    "the 29th of February",
    { ...minimal, time: "2024-02-29T00:00:00Z" },
    { ...read, timestamp: "2024-02-29T00:00:00.000Z" },
  ],
  ["lower-case t and z", { ...minimal, time: "2018-04-05t17:31:00z" }, timed],
];

const without = (name: string) => Object.fromEntries(Object.entries(minimal).filter(([member]) => member !== name));

const invalid: [name: string, event: Event, pointers: string[]][] = [
  ["invalidNoSpecVersion", without("specversion"), ["/specversion"]],
  ["invalidNoId", without("id"), ["/id"]],
  ["invalidNoType", without("type"), ["/type"]],
  ["invalidNoSource", without("source"), ["/source"]],
  ["invalidTimeGarbage", { ...minimal, time: "lunchtime" }, ["/time"]],
  ["invalidTimeToMinute", { ...minimal, time: "2018-04-05T18:31Z" }, ["/time"]],
  ["invalidTimeOffsetX", { ...minimal, time: "2018-04-05T18:31:00X" }, ["/time"]],
  ["invalidTimeOffsetOutOfRange", { ...minimal, time: "2018-04-05T18:31:00+25:00" }, ["/time"]],
  ["invalidTimeOffsetNonInteger", { ...minimal, time: "2018-04-05T18:31:00+xx:00" }, ["/time"]],
  ["invalidTimeOffsetHourOnly", { ...minimal, time: "2018-04-05T18:31:00+05" }, ["/time"]],
  ["invalidEmptyId", { ...minimal, id: "" }, ["/id"]],
  ["invalidEmptyType", { ...minimal, type: "" }, ["/type"]],
  ["invalidEmptySource", { ...minimal, source: "" }, ["/source"]],
  ["invalidEmptySpecVersion", { ...minimal, specversion: "" }, ["/specversion"]],
  ["invalidUnknownSpecVersion", { ...minimal, specversion: "0.9" }, ["/specversion"]],
  ["invalidNonRfc2046DataContentType", { ...minimal, datacontenttype: "xyz" }, ["/datacontenttype"]],
  ["invalidEmptyDataContentType", { ...minimal, datacontenttype: "" }, ["/datacontenttype"]],
  ["invalidEmptyDataSchema", { ...minimal, dataschema: "" }, ["/dataschema"]],
  ["invalidEmptySubject", { ...minimal, subject: "" }, ["/subject"]],
  ["invalidNumericId", { ...minimal, id: 25 }, ["/id"]],
  ["invalidObjectId", { ...minimal, id: { xyz: "abc" } }, ["/id"]],
  ["invalidCapitalizedExtension", { ...minimal, MyExtension: "bad" }, ["/MyExtension"]],
  ["invalidPunctuatedExtension", { ...minimal, "my.extension": "bad" }, ["/my.extension"]],
  ["invalidNonIntegerExtensionValue", { ...minimal, myextension: 1.5 }, ["/myextension"]],
  ["invalidBothDataAndDataBase64", { ...minimal, data: "text", data_base64: "eyAieHl6IjogMTIzIH0=" }, ["/data_base64"]],
  ["an id that is null", { ...minimal, id: null }, ["/id"]],
  ["an extension that is an object", { ...minimal, other: {} }, ["/other"]],
  ["an extension that is a list", { ...minimal, other: [1] }, ["/other"]],
  ["an Integer of more than 32 bits", { ...minimal, other: 2 ** 31 }, ["/other"]],
  ["a name with an underscore", { ...minimal, data_type: "x" }, ["/data_type"]],
  ["a name with a slash", { ...minimal, "a/b": "x" }, ["/a~1b"]],
  ["a name that is empty", { ...minimal, "": "x" }, ["/"]],
  ["a source that is no URI reference", { ...minimal, source: "two words" }, ["/source"]],
  ["a schema that is no absolute URI", { ...minimal, dataschema: "#fragment" }, ["/dataschema"]],
  ["a time without a zone", { ...minimal, time: "2018-04-05T18:31:00" }, ["/time"]],
  ["a day that the month has not", { ...minimal, time: "2023-02-29T00:00:00Z" }, ["/time"]],
  ["a year that is not kept", { ...minimal, time: "0000-01-01T00:00:00Z" }, ["/time"]],
  ["a year that its zone makes the 10000th", { ...minimal, time: "9999-12-31T23:59:59-01:00" }, ["/time"]],
  ["a control character", { ...minimal, subject: "a\u0007b" }, ["/subject"]],
  ["a code point that is no character", { ...minimal, subject: "a\ufffeb" }, ["/subject"]],
  ["half of a pair", { ...minimal, other: "a\ud800" }, ["/other"]],
  ["data_base64 that is none", { ...minimal, data_base64: "TWE" }, ["/data_base64"]],
  ["data_base64 that is no text", { ...minimal, data_base64: 5 }, ["/data_base64"]],
  [
    "bytes that are not the JSON of their type",
    { ...minimal, datacontenttype: "text/json", data_base64: "TWE=" },
    ["/data_base64"],
  ],
  ["a type with a wildcard", { ...minimal, type: "io.*.test" }, ["/type"]],
  ["a type that is no name of an event", { ...minimal, type: "io/cloudevents" }, ["/type"]],
  ["an id of more than 255 characters", { ...minimal, id: "x".repeat(256) }, ["/id"]],
  ["a source of more than 1,024 bytes", { ...minimal, source: `/${"x".repeat(1_024)}` }, ["/source"]],
  ["all faults at once", { specversion: "2", Id: 1 }, ["/id", "/source", "/type", "/specversion", "/Id"]],
];

const validBatches: [name: string, batch: Event[], ids: string[]][] = [
  ["validBatchEmpty", [], []],
  ["validBatchMinimal", [minimal], ["minimal"]],
  ["validBatchMinimal2", [minimal, minimal], ["minimal", "minimal"]],
  ["validBatchMinimalAndAllCore", [minimal, allCore], ["minimal", "allCore"]],
  [
    "validBatchMinimalAndAllExtensionTypes",
    [minimal, { ...minimal, ...extensions, id: "allExtensionTypes" }],
    ["minimal", "allExtensionTypes"],
  ],
];

const invalidBatches: [name: string, batch: unknown, pointers: string[]][] = [
  ["invalidBatchMixedSpecVersions", [minimal, { ...minimal, specversion: "0.9" }], ["/1/specversion"]],
  ["invalidBatchContainingInvalidCloudEvent", [without("id")], ["/0/id"]],
  ["invalidBatchContainingNonObject", ["not an object", minimal], ["/0"]],
  ["a batch that is one event", minimal, [""]],
  ["a member in our shape", [minimal, { pattern: "a.b" }], ["/1/specversion", "/1/id", "/1/source", "/1/type"]],
  ["more than 1,000 members", Array.from({ length: 1_001 }, () => minimal), [""]],
];

describe("a CloudEvent in JSON format", () => {
  test.each(valid)("%s is taken", (_, event, expected) => {
    expect(only(event)).toEqual(expected);
    expect(only(event, { "content-type": "Application/CloudEvents+JSON; charset=UTF-8" })).toEqual(expected);
    expect(only(event, { "content-type": "application/json" }), "in plain JSON").toEqual(expected);
  });

  test.each(invalid)("%s is refused", (_, event, pointers) => {
    expect(faultsOf(event, structured)).toEqual(pointers);
    const at = pointers.map((pointer) => `/1${pointer}`);
    expect(faultsOf([minimal, event], batched), "in a batch").toEqual(at);
  });

  test("is an object", () => {
    expect(faultsOf([minimal], structured)).toEqual([""]);
    expect(faultsOf("text", structured)).toEqual([""]);
    expect(faultsOf(undefined, structured)).toEqual([""]);
  });
});

describe("a batch of CloudEvents", () => {
  test.each(validBatches)("%s is taken", (_, batch, ids) => {
    const { events, isBatch } = readSubmission({ body: batch, headers: batched });
    expect(isBatch).toBe(true);
    expect(events.map(({ event }) => event.eventId)).toEqual(ids);
  });

  test.each(invalidBatches)("%s is refused", (_, batch, pointers) => {
    expect(faultsOf(batch, batched)).toEqual(pointers);
  });
});

describe("a CloudEvent in headers", () => {
  const headers = {
    "ce-specversion": "1.0",
    "ce-type": "com.example.someevent",
    "ce-time": "2018-04-05T03:56:24Z",
    "ce-id": "1234-1234-1234",
    "ce-source": "/mycontext/subcontext",
  };
  const data = { message: "Hello World!" };

  test.each(["application/json", "application/json; charset=utf-8"])("with data of %s is taken", (type) => {
    expect(only(data, { ...headers, "content-type": type })).toEqual({
      eventId: "1234-1234-1234",
      pattern: "com.example.someevent",
      payload: data,
      source: { type: "external", id: "/mycontext/subcontext" },
      sourceKey: "/mycontext/subcontext",
      timestamp: "2018-04-05T03:56:24.000Z",
      metadata: { datacontenttype: type },
    });
  });

  test("may have no data, and data that is a list or looks like an event", () => {
    expect(only(undefined, headers)).toMatchObject({ payload: null, metadata: {} });
    expect(only([1, 2], { ...headers, "content-type": "application/json" })).toMatchObject({ payload: [1, 2] });
    expect(only(minimal, { ...headers, "content-type": "application/json" })).toMatchObject({ payload: minimal });
  });

  test("has its values percent-encoded", () => {
    const subject = { ...headers, "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80" };
    expect(only(undefined, subject).metadata).toEqual({ subject: "Euro € 😀" });
    expect(faultsOf(undefined, { ...headers, "ce-subject": "%E2%82" })).toEqual(["/headers/ce-subject"]);
  });

  test.each([
    ["no id", { ...headers, "ce-id": "" }, ["/headers/ce-id"]],
    ["another version", { ...headers, "ce-specversion": "0.3" }, ["/headers/ce-specversion"]],
    ["no type", { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/" }, ["/headers/ce-type"]],
    ["a bad name", { ...headers, "ce-my_extension": "x" }, ["/headers/ce-my_extension"]],
    ["a name that means something to programs", { ...headers, "ce-__proto__": "x" }, ["/headers/ce-__proto__"]],
    ["a content type of its own", { ...headers, "ce-datacontenttype": "text/plain" }, ["/headers/ce-datacontenttype"]],
    ["a control character", { ...headers, "ce-subject": "%00" }, ["/headers/ce-subject"]],
  ])("with %s is refused", (_, given: Record<string, string>, pointers) => {
    expect(faultsOf(data, { ...given, "content-type": "application/json" })).toEqual(pointers);
  });

  test("is not looked for where the body says that it is the event", () => {
    expect(only(minimal, { ...headers, ...structured })).toEqual(read);
  });
});
