import { useState } from 'preact/hooks';
import { Card } from '../../parts/card.tsx';
import { ask, type Reply } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
import { useList } from '../../client/use-list.ts';
import { distance, instant } from '../../format/days.ts';
import { Confirm } from '../../parts/confirm.tsx';
import { ListFrame } from '../../parts/list-frame.tsx';
import { Badge, Failure } from '../../parts/messages.tsx';
import { CreateToken } from './create-token.tsx';

type Token = Reply<'/v1/tokens'>['data'][number];

/** The tokens of the API: create one, revoke one. */
export function Tokens() {
  const list = useList('/v1/tokens');
  const [isCreating, setCreating] = useState(false);
  const revoke = useAction(async (id: string) => {
    await ask('delete', '/v1/tokens/{id}', { ids: { id } });
    list.reload();
  });
  return (
    <Card
      title="Tokens"
      aside={
        <button
          type="button"
          onClick={() => {
            setCreating(true);
          }}
        >
          Create a token
        </button>
      }
    >
      {isCreating && (
        <CreateToken
          onClose={() => {
            setCreating(false);
            list.reload();
          }}
        />
      )}
      {revoke.error !== null && <Failure error={revoke.error} title="The token is not revoked." />}
      <ListFrame
        list={list}
        what="tokens"
        none="There are none beside the first one, which the server’s settings hold."
        heads={['Name', 'Role', 'Created', 'Last used', 'State', 'Action']}
        class=""
        row={(token: Token) => <Row key={token.id} token={token} isBusy={revoke.isBusy} onRevoke={revoke.run} />}
      />
    </Card>
  );
}

function Row({ token, isBusy, onRevoke }: { token: Token; isBusy: boolean; onRevoke: (id: string) => void }) {
  return (
    <tr>
      <th scope="row" class="name">
        {token.name}
      </th>
      <td>{token.role}</td>
      <td>{`${instant(token.created_at)} by ${token.created_by}`}</td>
      <td>{token.last_used_at === null ? 'never' : distance(token.last_used_at)}</td>
      <td>{stateOf(token)}</td>
      <td>
        {token.revoked_at === null && (
          <Confirm
            what={`Revoke ${token.name}`}
            why="Whoever uses it is locked out at once, with every token and session that came from it."
            isBusy={isBusy}
            onConfirm={() => {
              onRevoke(token.id);
            }}
          >
            Revoke
          </Confirm>
        )}
      </td>
    </tr>
  );
}

function stateOf({ revoked_at: revokedAt, revoked_by: by, expires_at: expiresAt }: Token) {
  if (revokedAt !== null) return <Badge>{`revoked ${distance(revokedAt)}${by === null ? '' : ` by ${by}`}`}</Badge>;
  if (expiresAt === null) return <Badge tone="good">valid</Badge>;
  const isOver = Date.parse(expiresAt) <= Date.now();
  return isOver ? (
    <Badge>{`expired ${distance(expiresAt)}`}</Badge>
  ) : (
    <Badge tone="good">{`valid until ${instant(expiresAt)}`}</Badge>
  );
}
