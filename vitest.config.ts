import { defineConfig } from "vitest/config";

/** A thousand calls at once have to be under way before the first of them times out: not beside other tests. */
const ALONE = ["test/storm.test.ts"];
const timeouts = { testTimeout: 30_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      { test: { ...timeouts, name: "together", include: ["test/**/*.test.ts"], exclude: ALONE, globalSetup: ["test/harness/setup.ts"], maxWorkers: 4, sequence: { groupOrder: 0 } } },
      { test: { ...timeouts, name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
