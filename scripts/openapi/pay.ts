// Pays with the types that openapi-typescript made: node pay.js URL
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { argv: string[] };

function check(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

const client = createClient<paths>({ baseUrl: process.argv[2] });
const body = {
  customerAccountId: "acc-payer-001",
  merchantAccountId: "acc-payee-002",
  amount: "2.50",
  currency: "USD",
  idempotencyKey: crypto.randomUUID(),
};
const paid = await client.POST("/api/v1/transactions/payment", { body });
check(paid.data !== undefined, paid.error);
const saga = await client.GET("/api/v1/sagas/{id}", { params: { path: { id: paid.data.transactionId } } });
check(saga.data?.status === "completed" && saga.data.result.success, saga.data);
const again = await client.POST("/api/v1/transactions/payment", { body });
check(again.error?.code === "DUPLICATE_TRANSACTION", again.data);
