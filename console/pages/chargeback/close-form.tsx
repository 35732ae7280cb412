import { useState } from 'preact/hooks';
import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { longMonth } from '../../format/days.ts';
import { difference, signOf } from '../../format/decimal.ts';
import { usd, usdChange } from '../../format/money.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { Form } from '../../parts/form.tsx';
import { TextField } from '../../parts/inputs.tsx';
import { ReasonField } from './reason-field.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { counted } from '../../parts/standing.ts';
import { nextMonth } from './place.ts';

type Month = Reply<'/v1/chargeback/{month}'>;

/** Asks for the invoice, and for a reason where days are not certain; then for a yes. */
export function CloseForm(props: {
  data: Month;
  /** The first of the months before, if none of them could be closed afterwards. */
  left: string | null;
  onClosed: () => void;
}) {
  const { data, left, onClosed } = props;
  const [invoice, setInvoice] = useState('');
  const [reason, setReason] = useState('');
  const [isAsking, setAsking] = useState(false);
  const needsReason = data.closable?.needs_override === true;
  const amount = invoice.trim().replaceAll(',', '').replace(/^\$/, '');
  const isAmount = /^-?\d{1,40}(?:\.\d{0,60})?$/.test(amount);
  const isReady = (amount === '' || isAmount) && (!needsReason || reason.trim() !== '');
  const close = useAction(async () => {
    const body = {
      ...(needsReason ? { override: reason.trim() } : {}),
      ...(amount === '' ? {} : { invoice_amount: amount }),
    };
    await ask('post', '/v1/chargeback/{month}/close', { ids: { month: data.month }, body });
    setAsking(false);
    onClosed();
  });
  return (
    <Form
      onSend={() => {
        if (isReady) setAsking(true);
      }}
    >
      <InvoiceField {...{ invoice, isAmount, amount }} total={data.total} onChange={setInvoice} />
      {needsReason && (
        <ReasonField label="Why it is closed although days are not certain" reason={reason} onChange={setReason} />
      )}
      <div>
        <button type="submit" class="primary" disabled={!isReady}>
          {needsReason ? 'Close it all the same …' : 'Close the month …'}
        </button>
      </div>
      {isAsking && (
        <Consent
          {...{ data, left, needsReason }}
          isBusy={close.isBusy}
          error={close.error}
          onYes={close.run}
          onNo={() => {
            setAsking(false);
          }}
        />
      )}
    </Form>
  );
}

function InvoiceField(props: {
  invoice: string;
  amount: string;
  isAmount: boolean;
  total: string;
  onChange: (text: string) => void;
}) {
  const { invoice, amount, isAmount, total, onChange } = props;
  const change = isAmount ? difference(amount, total) : '0';
  return (
    <TextField
      id="invoice"
      label="What Anthropic’s invoice says, in dollars, if you have it"
      hint={
        amount === ''
          ? 'Kept beside the bill, so that tax and credits are seen. It changes nobody’s share.'
          : !isAmount
            ? undefined
            : signOf(change) === 0
              ? 'The same as the bill.'
              : `${usdChange(change)} against the bill of ${usd(total)}: tax, credits.`
      }
      faults={amount === '' || isAmount ? [] : ['Write an amount such as 1234.56.']}
      value={invoice}
      input={{ inputmode: 'decimal', placeholder: usd(total).replace('$', '') }}
      onText={onChange}
    />
  );
}

function Consent(props: {
  data: Month;
  left: string | null;
  needsReason: boolean;
  isBusy: boolean;
  error: Error | null;
  onYes: () => void;
  onNo: () => void;
}) {
  const { data, left, needsReason, isBusy, error, onYes, onNo } = props;
  const { month, total, unallocated } = data;
  const centers = new Set(data.data.flatMap(({ cost_center: center }) => center ?? [])).size;
  return (
    <Dialog title={`Close ${longMonth(month)}?`} onClose={onNo}>
      <p>
        {`The bill of ${usd(total)} is divided among ${counted(centers, 'cost center')} as it is now, and stays so. Later changes of rules, tags and names do not touch it.`}
      </p>
      <p>{`What Anthropic corrects afterwards becomes an adjustment of ${longMonth(nextMonth(month))}.`}</p>
      {signOf(unallocated.amount) !== 0 && (
        <p>
          <strong>{`${usd(unallocated.amount)} belongs to nobody, and will stay so.`}</strong>
        </p>
      )}
      {left !== null && (
        <p>
          {`Months are closed in their order, so no month before this one can be closed afterwards. Cancel if you bill for ${longMonth(left)}, too, and close that first.`}
        </p>
      )}
      {needsReason && <p>Days are not certain. The statement and the audit show your reason.</p>}
      {error !== null && <ActionFailure error={error} hasForm />}
      <div class="row">
        <button type="button" class="primary" disabled={isBusy} onClick={onYes}>
          {`Close ${longMonth(month)}`}
        </button>
        <button type="button" onClick={onNo}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}
