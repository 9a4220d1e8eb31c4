// BullMQ on Valkey.
import { Queue, Worker } from "bullmq";
import IORedis from "ioredis";
import { serve } from "./serving.mjs";
import { REDIS, run } from "./work.mjs";

const connection = new IORedis(REDIS, { maxRetriesPerRequest: null });
const cleared = { removeOnComplete: true }; // as its guide to production advises: nobody reads the ends

if (process.argv[2] === "produce") {
  const queue = new Queue("bench", { connection, defaultJobOptions: cleared });
  await serve({
    one: (kind, sent) => queue.add("run", { kind, sent }),
    many: (kind, count) =>
      queue.addBulk(Array.from({ length: count }, () => ({ name: "run", data: { kind, sent: 0 } }))),
  });
} else {
  const worker = new Worker("bench", (job) => run(job.data), { connection, concurrency: 1 });
  worker.on("error", (error) => console.error(error));
  worker.on("failed", (_, error) => console.error(error));
}
