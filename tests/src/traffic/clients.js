// What k6 runs: a scenario for each stream of requests. An answer says which pod gave it, and that is counted with what was
// seen of it.
import http from 'k6/http';
import exec from 'k6/execution';
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';

const plan = JSON.parse(__ENV.PLAN);
const streams = Object.fromEntries(plan.streams.map((stream) => [stream.name, stream]));
const answered = new Counter('answered');

// Clients that come and go as fast as they are told, however slow the answers are; or sessions, each of which waits for its
// answers and keeps its cookies.
function scenario(stream) {
  if (stream.sessions) {
    return { executor: 'constant-vus', vus: stream.sessions, duration: plan.longest, gracefulStop: '0s' };
  }
  return {
    executor: 'constant-arrival-rate', rate: stream.perSecond, timeUnit: '1s', duration: plan.longest,
    preAllocatedVUs: Math.max(10, stream.perSecond), maxVUs: stream.perSecond * 8, gracefulStop: '0s',
  };
}

export const options = {
  hosts: plan.hosts,
  noCookiesReset: true,
  scenarios: Object.fromEntries(plan.streams.map((stream) => [stream.name, scenario(stream)])),
  systemTags: ['scenario', 'status', 'error_code'],
};

export default function () {
  const stream = streams[exec.scenario.name];
  const response = http.request(stream.method, stream.url, null, { timeout: plan.timeout, redirects: 0 });
  if (response.status === 200) {
    const { service, pod, zone, method, path, forwardedProto } = response.json();
    answered.add(1, { service, pod, zone, method, path, forwardedProto, session: `${exec.vu.idInTest}` });
  }
  if (stream.sessions) {
    sleep(stream.sessions / stream.perSecond);
  }
}
