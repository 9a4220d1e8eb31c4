// The work of all peers, as bench/peers/inside/work.py has it: three kinds of jobs, and the mark that each leaves.
import fs from "node:fs";
import pg from "pg";

export const DATABASE = process.env.PEER_DATABASE_URL;
export const REDIS = process.env.PEER_REDIS_URL;
const WAIT = 5; // milliseconds
let file;
let pool;

export const now = () => Number(process.hrtime.bigint()) / 1e9; // the machine's monotonic clock, as Python's

export function mark(sent) {
  file ??= fs.openSync(process.env.PEER_MARKS, "a", 0o600);
  const bytes = Buffer.alloc(16);
  bytes.writeDoubleLE(now(), 0);
  bytes.writeDoubleLE(sent, 8);
  fs.writeSync(file, bytes);
}

export async function run({ kind, sent }) {
  mark(sent);
  if (kind === "effect") {
    pool ??= new pg.Pool({ connectionString: DATABASE, max: 1 });
    await pool.query({ name: "insert", text: "INSERT INTO effects (sent) VALUES ($1)", values: [sent] });
  } else if (kind === "wait") {
    await new Promise((done) => setTimeout(done, WAIT));
  }
}
