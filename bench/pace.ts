/** The generator of calls at a fixed rate, in a process of its own, so that nothing else of the bench holds up its clock. Started by `paced` in `load.ts`. */
import { Agent, request } from "node:http";
import type { Pace, Shot } from "./load.ts";

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

/** What one pays that comes after a pause (connections, an answer of the Authority that is too old) is not what calls at this rate pay. */
const WARM_SECONDS = 1;

/** Each call is sent when its time has come, whether or not earlier ones are back; milliseconds of each, sorted, without those of the first second. */
async function run({ shot, perSecond, seconds }: Pace): Promise<number[]> {
  const taken: number[] = [];
  const calls: Promise<void>[] = [];
  const start = performance.now();
  for (let index = 0; index < perSecond * (WARM_SECONDS + seconds); index++) {
    const wait = start + (index * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const counts = index >= perSecond * WARM_SECONDS;
    calls.push(timed(shot).then((ms) => void (counts && taken.push(ms))));
  }
  await Promise.all(calls);
  agent.destroy();
  return taken.sort((a, b) => a - b);
}

function timed(shot: Shot): Promise<number> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const sent = request(shot.url, { method: "POST", headers: shot.headers, agent }, (answer) => {
      answer.resume();
      answer.on("end", () => (answer.statusCode === 200 ? resolve(performance.now() - start) : reject(new Error(`HTTP ${answer.statusCode}`))));
    });
    sent.on("error", reject);
    sent.end(shot.body);
  });
}

process.once("message", (pace: Pace) => {
  void run(pace).then((taken) => {
    process.send?.(taken);
    process.disconnect();
  });
});
