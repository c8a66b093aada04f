// Reads the stream in the file argv[2], in reads of argv[3] bytes, with Node's eventsource-parser,
// and prints the events and the ns each took, best of many rounds.
import { readFileSync } from "node:fs";
import { createParser } from "eventsource-parser";

const body = readFileSync(process.argv[2]);
const size = Number(process.argv[3]);
const reads = [];
for (let at = 0; at < body.length; at += size) reads.push(body.subarray(at, at + size));

let events = 0;
let best = Infinity;
for (let round = 0; round < 200; round++) {
  events = 0;
  const parser = createParser({ onEvent: () => { events++; } });
  const decoder = new TextDecoder();
  const started = process.hrtime.bigint();
  for (const read of reads) parser.feed(decoder.decode(read, { stream: true }));
  best = Math.min(best, Number(process.hrtime.bigint() - started));
}
console.log(JSON.stringify({ events, nanoseconds: best / events }));
