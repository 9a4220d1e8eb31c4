// pg-boss on Postgres: woken by NOTIFY, a hundred jobs a fetch, at once again while they come back full.
import { PgBoss } from "pg-boss";
import { serve } from "./serving.mjs";
import { DATABASE, run } from "./work.mjs";

const consumes = process.argv[2] !== "produce";
const boss = new PgBoss({ connectionString: DATABASE, useListenNotify: consumes, supervise: consumes, schedule: false });
boss.on("error", (error) => console.error(error));
await boss.start();

if (!consumes) {
  await boss.createQueue("bench", { notify: true });
  await serve({
    one: (kind, sent) => boss.send("bench", { kind, sent }),
    many: (kind, count) => boss.insert("bench", Array.from({ length: count }, () => ({ data: { kind, sent: 0 } }))),
  });
} else {
  const options = { batchSize: 100, burstWhenBatchFull: true, perJobResults: true, pollingIntervalSeconds: 0.5 };
  await boss.work("bench", options, async (jobs) => {
    const ends = [];
    for (const job of jobs) {
      await run(job.data);
      ends.push({ id: job.id, status: "completed" });
    }
    return ends;
  });
}
