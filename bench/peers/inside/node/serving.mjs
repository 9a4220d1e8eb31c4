// The producer's process, as bench/peers/inside/serving_async.py has it.
import net from "node:net";
import readline from "node:readline";
import { now } from "./work.mjs";

const WARM_UP = 0.3; // seconds
const rest = (seconds) => new Promise((done) => setTimeout(done, Math.max(0, seconds * 1000)));
const times = (count, make) => Promise.all(Array.from({ length: count }, (_, at) => make(at)));

export async function serve({ one, many }) {
  const link = net.createConnection({ host: "127.0.0.1", port: Number(process.env.PEER_CONTROL_PORT) });
  const tell = (answer) => link.write(`${JSON.stringify(answer)}\n`);
  link.on("close", () => process.exit(0));
  link.on("error", () => process.exit(1));
  link.setNoDelay(true);
  tell({ ready: true, bulk: Boolean(many) });
  for await (const line of readline.createInterface({ input: link })) tell(await obey({ one, many }, JSON.parse(line)));
}

async function obey({ one, many }, wanted) {
  if (wanted.do === "closed") return closed(one, wanted);
  if (wanted.do === "batches") return batches(many, wanted);
  if (wanted.do === "paced") return paced(one, wanted);
  for (let first = 0; first < wanted.count; first += 1000) {
    await many(wanted.kind, Math.min(1000, wanted.count - first));
  }
  return {};
}

async function closed(one, { seconds, at_once }) {
  const beginsAt = now() + WARM_UP;
  const endsAt = beginsAt + seconds;
  const taken = [];
  await times(at_once, async () => {
    for (let began = now(); began < endsAt; began = now()) {
      await one("noop", began);
      const ended = now();
      if (beginsAt <= ended && ended < endsAt) taken.push(ended - began);
    }
  });
  return summary(taken, seconds);
}

async function batches(many, { seconds, size }) {
  await many("noop", size);
  const began = now();
  const taken = [];
  while (now() - began < seconds) {
    const at = now();
    await many("noop", size);
    taken.push(now() - at);
  }
  const answer = summary(taken, now() - began);
  return { ...answer, rate: answer.rate * size };
}

async function paced(one, { kind, rate, count }) {
  const beginsAt = now() + WARM_UP;
  const taken = [];
  await times(count, async (at) => {
    await rest(beginsAt + at / rate - now());
    const sent = now();
    await one(kind, sent);
    taken.push(now() - sent);
  });
  return summary(taken, Math.max(1e-9, now() - beginsAt));
}

function summary(taken, seconds) {
  const ordered = [...taken].sort((left, right) => left - right);
  const percentile = (percent) =>
    ordered.length ? ordered[Math.max(0, Math.ceil((ordered.length * percent) / 100) - 1)] * 1000 : 0;
  return { count: ordered.length, rate: ordered.length / seconds, p50: percentile(50), p95: percentile(95) };
}
