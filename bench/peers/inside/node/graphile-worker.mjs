// Graphile Worker on Postgres: with the local queue and the batched ends of its page on performance.
import { makeWorkerUtils, run as consume } from "graphile-worker";
import { serve } from "./serving.mjs";
import { DATABASE, run } from "./work.mjs";

if (process.argv[2] === "produce") {
  const utils = await makeWorkerUtils({ connectionString: DATABASE });
  await utils.migrate();
  await serve({
    one: (kind, sent) => utils.addJob("run", { kind, sent }),
    many: (kind, count) =>
      utils.addJobs(Array.from({ length: count }, () => ({ identifier: "run", payload: { kind, sent: 0 } }))),
  });
} else {
  const worker = { connectionString: DATABASE, concurrentJobs: 1, localQueue: { size: 100 }, completeJobBatchDelay: 0 };
  await consume({ preset: { worker }, taskList: { run } });
}
