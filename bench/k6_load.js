// The load script of the public interface's documentation, for k6:
//
//   k6 run bench/k6_load.js                      the whole ramp, 12,000 to 40,000 orders a second
//   k6 run -e SECONDS=20 -e RATE_END=20000 ...   a shorter one
//
// Every order comes from a client that nobody knows yet and carries a key of its own, so each one
// opens an account. Start the node with configs/load.toml.

import http from 'k6/http';
import { check } from 'k6';
import { Counter } from 'k6/metrics';

const BASE = __ENV.BASE_URL || 'http://localhost:8080';
const RATE_START = Number(__ENV.RATE_START || 12000);
const RATE_END = Number(__ENV.RATE_END || 40000);
const SECONDS = Number(__ENV.SECONDS || 80);
const CLIENTS_MAX = Number(__ENV.CLIENTS_MAX || 10000);

const COINS = ['BTC', 'ETH', 'SOL', 'BNB', 'XRP', 'ADA', 'DOGE', 'DOT', 'MATIC', 'LTC'];
const PRICE_MIN = 69000;
const PRICE_MAX = 72000;

const accepted = new Counter('orders_accepted');
const failed = new Counter('orders_failed');

export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ['med', 'p(99)', 'p(99.9)', 'max'],
  scenarios: {
    ramp: {
      executor: 'ramping-arrival-rate',
      startRate: RATE_START,
      timeUnit: '1s',
      preAllocatedVUs: Math.min(1000, CLIENTS_MAX),
      maxVUs: CLIENTS_MAX,
      stages: [{ target: RATE_END, duration: `${SECONDS}s` }],
    },
  },
};

function hex(digits) {
  return Math.floor(Math.random() * 16 ** digits).toString(16).padStart(digits, '0');
}

function uuid() {
  return `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`;
}

export default function () {
  const quantity = Number((0.01 + Math.random() / 2).toFixed(4));
  const order = {
    client_id: uuid(),
    instrument: `${COINS[Math.floor(Math.random() * COINS.length)]}-USD`,
    side: Math.random() < 0.5 ? 'BUY' : 'SELL',
    type: 'LIMIT',
    price: Number((PRICE_MIN + Math.random() * (PRICE_MAX - PRICE_MIN)).toFixed(2)),
    quantity,
    remaining: quantity,
  };
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': uuid() };
  const answer = http.post(`${BASE}/api/v1/orders/`, JSON.stringify(order), { headers });
  const isAccepted = check(answer, { accepted: (it) => it.status === 201 });
  (isAccepted ? accepted : failed).add(1);
}
