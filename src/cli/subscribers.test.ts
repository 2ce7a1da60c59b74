import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startTestApp, type TestApp, testKey } from "../../test/support/app.ts";
import { type CommandResult, runCommand } from "../../test/support/command.ts";
import { openReceiver, type Receiver } from "../../test/support/subscribers.ts";

let program: TestApp;
let receiver: Receiver;

beforeAll(async () => {
  receiver = await openReceiver();
  program = await startTestApp({ settings: { allowPrivateAddresses: true } });
});
afterAll(async () => {
  await program?.stop();
  await receiver?.close();
});

function millrace(...args: string[]): Promise<CommandResult> {
  return runCommand(args, { env: { MILLRACE_URL: program.url, MILLRACE_ADMIN_API_KEY: testKey } });
}

async function create(path: string, pattern: string, ...more: string[]): Promise<string> {
  const { code, out, err } = await millrace("subscriptions", "create", pattern, receiver.url + path, ...more);
  expect([code, err]).toEqual([0, ""]);
  expect(out).toMatch(/secret +whsec_\S+ +\(shown this once\)/);
  return /subscription +(\S+)/.exec(out)![1]!;
}

describe("subscriptions", () => {
  test("are made, tested, looked at, held back, rotated and deleted", async () => {
    const id = await create("/a", "a.*", "--filter", "payload.n > 1", "--name", "mine");
    const list = await millrace("subscriptions", "list", "--status", "active");
    expect(list.out).toMatch(/^PATTERN +TO +STATUS/);
    expect(list.out).toMatch(new RegExp(`a\\.\\* +${receiver.url}/a +active +mine +${id}`));
    expect((await millrace("subscriptions", "get", id)).out).toMatch(/filter +payload\.n > 1/);
    receiver.answer("/a", (nth) => ({ status: nth === 1 ? 200 : 500, body: "hello" }));
    const good = await millrace("subscriptions", "test", id);
    expect([good.code, good.out]).toEqual([0, expect.stringMatching(/delivered +yes[\s\S]*answer +hello/)]);
    const bad = await millrace("subscriptions", "test", id);
    expect([bad.code, bad.out]).toEqual([3, expect.stringMatching(/delivered +no[\s\S]*error +HTTP_500/)]);
    expect((await millrace("subscriptions", "suspend", id, "--reason", "lunch")).out).toMatch(/because +lunch/);
    expect((await millrace("subscriptions", "enable", id)).code).toBe(3);
    expect((await millrace("subscriptions", "resume", id)).out).toMatch(/status +active/);
    const rotated = await millrace("subscriptions", "rotate-secret", id, "--overlap", "PT1H", "--json");
    expect(JSON.parse(rotated.out)).toMatchObject({ id, secret: expect.stringMatching(/^whsec_/) });
    expect((await millrace("subscriptions", "delete", id)).out).toContain("is deleted");
    expect((await millrace("subscriptions", "get", id)).code).toBe(4);
  });

  test("with a fault are refused with its place", async () => {
    const { code, err } = await millrace("subscriptions", "create", "a..b", "ftp://nowhere");
    expect(code).toBe(3);
    expect(err).toContain("/eventPattern: has an empty token");
    expect(err).toContain("/subscriber/endpoint: begins with ftp:");
  });
});

describe("what could not be delivered", () => {
  test("is found, handed on, settled, purged and replayed", async () => {
    const id = await create("/b", "b.*");
    receiver.answer("/b", (nth) => ({ status: nth <= 2 ? 400 : 200 }));
    const { engine } = program.app;
    for (const n of [1, 2]) await engine.publish([{ namespace: "default", pattern: "b.x", payload: { n } }]);
    const failed = async () => (await millrace("subscriptions", "deliveries", id, "--status", "failed", "--json")).out;
    await vi.waitFor(async () => expect(JSON.parse(await failed()).items).toHaveLength(2), 20_000);
    expect((await millrace("subscriptions", "deliveries", id)).out).toMatch(/^DELIVERY +EVENT +STATUS +ATTEMPTS/);

    const filter = ["--subscriber", `subscription:${id}`];
    const { out } = await millrace("dead-letters", "list", ...filter);
    expect(out).toMatch(/b\.x +subscription:\S+ +HTTP_400: .* 1 +pending/);
    const listed = await millrace("dead-letters", "list", ...filter, "--json");
    const [first, second] = JSON.parse(listed.out).items.map((item: { id: string }) => item.id);
    expect((await millrace("dead-letters", "get", first)).out).toMatch(/error +HTTP_400 \(PERMANENT\)/);
    const again = await millrace("dead-letters", "reprocess", first, "--payload", '{"n":9}');
    expect(again.out).toContain("is reprocessing");
    await vi.waitFor(() => expect(receiver.at("/b").at(-1)!.body.data).toEqual({ n: 9 }), 10_000);
    const dry = await millrace("dead-letters", "reprocess-all", ...filter, "--dry-run");
    expect(dry.out).toBe("1 dead letters would be handed on\n");
    const many = await millrace("dead-letters", "reprocess-all", ...filter, "--json");
    const progress = () => millrace("dead-letters", "progress", JSON.parse(many.out).id);
    await vi.waitFor(async () => expect((await progress()).out).toMatch(/done +1 of 1, 0 failed/), 20_000);
    await vi.waitFor(
      async () => expect((await millrace("dead-letters", "get", second)).out).toMatch(/status +resolved/),
      20_000,
    );
    expect((await millrace("dead-letters", "discard", second, "--notes", "late")).code).toBe(3);
    expect((await millrace("dead-letters", "purge", ...filter)).out).toBe("2 dead letters are gone\n");

    const times = ["--from", "2026-01-01T00:00:00Z"];
    expect((await millrace("replays", "create", "b.*", ...times, "--dry-run")).out).toBe(
      "2 events would be replayed\n",
    );
    const replay = await millrace("replays", "create", "b.*", ...times, "--target", id, "--json");
    const replayId = JSON.parse(replay.out).id;
    await vi.waitFor(
      async () =>
        expect((await millrace("replays", "get", replayId)).out).toMatch(/status +completed[\s\S]*replayed +2/),
      20_000,
    );
    expect((await millrace("replays", "list")).out).toMatch(new RegExp(`${replayId} +b\\.\\* +completed +2 +2`));
    expect((await millrace("replays", "cancel", replayId)).code).toBe(3);
  }, 90_000);
});
