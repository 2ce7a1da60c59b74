import { describe, expect, test } from "vitest";
import { bar, createTerminal, type Stream } from "./terminal.ts";

function capture(more: Partial<Stream> = {}) {
  let text = "";
  const stream: Stream = {
    write: (written) => {
      text += written;
    },
    ...more,
  };
  return { stream, text: () => text };
}

function terminalOn({
  isTTY = false,
  columns,
  env = {},
}: {
  isTTY?: boolean;
  columns?: number;
  env?: Record<string, string>;
}) {
  const out = capture({ isTTY, columns });
  const err = capture({ isTTY, columns });
  return { terminal: createTerminal({ out: out.stream, err: err.stream, env }), out: out.text, err: err.text };
}

describe("colours", () => {
  test.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: "1" }, false],
    [true, { NO_COLOR: "" }, true],
    [true, { TERM: "dumb" }, false],
    [false, { FORCE_COLOR: "1" }, true],
    [true, { FORCE_COLOR: "0" }, false],
    [true, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
  ])("on a terminal: %s, with %j: %s", (isTTY, env, coloured) => {
    const { terminal } = terminalOn({ isTTY, env });
    expect(terminal.colors.red("x") !== "x").toBe(coloured);
  });
});

describe("progress", () => {
  test("is one line of a terminal, rewritten and cut to its width, and taken away", () => {
    const { terminal, out, err } = terminalOn({ isTTY: true, columns: 20 });
    terminal.progress.show("12345678901234567890");
    terminal.progress.clear();
    terminal.print("done");
    expect(err()).toBe("\r\u001b[2K1234567890123456789\r\u001b[2K");
    expect(out()).toBe("done\n");
  });

  test("is not drawn more often than an eye can follow", () => {
    const { terminal, err } = terminalOn({ isTTY: true });
    for (let done = 0; done < 1_000; done++) terminal.progress.show(`${done}`);
    expect(err().split("\r").length).toBeLessThan(100);
  });

  test("leaves no trace where nobody looks", () => {
    const { terminal, err } = terminalOn({ isTTY: false });
    terminal.progress.show("working");
    terminal.progress.clear();
    expect(err()).toBe("");
    expect(terminal.progress.live).toBe(false);
  });

  test("has a bar that is empty at the beginning and full at the end, also of nothing", () => {
    expect(bar({ done: 0, total: 4, width: 4 })).toBe("░░░░ 0/4");
    expect(bar({ done: 3, total: 4, width: 4 })).toBe("███░ 3/4");
    expect(bar({ done: 0, total: 0, width: 4 })).toBe("████ 0/0");
  });
});

describe("what is printed", () => {
  test("steers no terminal, whatever it says; colours pass", () => {
    const { terminal, out } = terminalOn({});
    terminal.print("a\u001b[2Jb\u001b]0;title\u0007c\u0000d\u009be \u001b[32mgreen\u001b[39m\tx");
    expect(out()).toBe("a\ufffd[2Jb\ufffd]0;title\ufffdc\ufffdd\ufffde \u001b[32mgreen\u001b[39m\tx\n");
  });
});
