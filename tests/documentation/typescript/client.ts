// A frontend's way through the API: signs up, looks at a market, bets on it and sells, typed by the API's description.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Market = components["schemas"]["Market"];

declare const process: { argv: string[] };

const api = createClient<paths>({ baseUrl: process.argv[2] ?? "" });

function given<T>(answer: { data?: T; error?: components["schemas"]["Error"] }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.error?.code}: ${answer.error?.error}`);
  }
  return answer.data;
}

function favourite(market: Market): "this" | "that" {
  return market.thisOdds >= market.thatOdds ? "this" : "that";
}

const body = { username: "tess", email: "tess@example.com", password: "a long sentence", name: "Tess" };
const account = given(await api.POST("/api/v1/auth/signup", { body }));
const headers = { Authorization: `Bearer ${account.accessToken}` };

const markets = given(await api.GET("/api/v1/markets", { params: { query: { sort: "volume", limit: 5 } } }));
const market = markets.data[0];
if (market === undefined) {
  throw new Error("There is no market.");
}
const side = favourite(market);
const { bet, newBalance } = given(
  await api.POST("/api/v1/bets", { headers, body: { marketId: market.id, side, amount: 100 } }),
);
const sale = given(
  await api.POST("/api/v1/bets/{bet_id}/sell", { headers, params: { path: { bet_id: bet.id } }, body: {} }),
);
const refusal = await api.GET("/api/v1/bets/{bet_id}", { params: { path: { bet_id: bet.id } } });

console.log(JSON.stringify({ stake: bet.amount, newBalance, status: sale.bet.status, refusal: refusal.error?.code }));
