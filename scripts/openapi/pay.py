"""Pays with the client that openapi-python-client made: pay.py URL FOLDER_OF_THE_CLIENT"""

import importlib
import pkgutil
import sys
import uuid

url, folder = sys.argv[1:]
sys.path.insert(0, folder)
import florin_client

for module in pkgutil.walk_packages(florin_client.__path__, "florin_client."):
    importlib.import_module(module.name)

from florin_client.api.sagas import get_api_v1_sagas_id
from florin_client.api.transactions import post_api_v1_transactions_payment
from florin_client.models import PaymentRequest

client = florin_client.Client(base_url=url, raise_on_unexpected_status=True)
request = PaymentRequest(
    customer_account_id="acc-payer-001",
    merchant_account_id="acc-payee-002",
    amount="1.25",
    currency="USD",
    idempotency_key=uuid.uuid4(),
)
paid = post_api_v1_transactions_payment.sync_detailed(client=client, body=request)
assert paid.status_code == 201, paid
saga = get_api_v1_sagas_id.sync(client=client, id=paid.parsed.transaction_id)
assert saga.status == "completed" and saga.result.success, saga
again = post_api_v1_transactions_payment.sync_detailed(client=client, body=request)
assert again.status_code == 409 and again.parsed.code == "DUPLICATE_TRANSACTION", again
