import { ask, type Schema } from '../../api/client.ts';
import { useAction } from '../../api/use-action.ts';
import { ActionFailure } from '../../parts/action-failure.tsx';
import { isLive, standingOf, type Help } from '../../parts/standing.ts';
import { DisconnectDialog } from './disconnect-dialog.tsx';
import { HistoryDialog } from './history-dialog.tsx';
import { RenameDialog } from './rename-dialog.tsx';
import { RotateDialog } from './rotate-dialog.tsx';

type Connection = Schema<'Connection'>;

/** The dialog that is open. */
export type Doing = 'rotate' | 'rename' | 'history' | 'disconnect' | null;

interface Props {
  readonly connection: Connection;
  readonly doing: Doing;
  readonly onDoing: (doing: Doing) => void;
  /** Is told in words what was asked for. */
  readonly onDone: (words: string) => void;
}

/** What an admin can do with a connection. The first button is the one that helps most now. */
export function Actions(props: Props) {
  const { connection, doing, onDoing, onDone } = props;
  const { isBusy, error, run } = useAction();
  const close = (): void => {
    onDoing(null);
  };
  const dialog = { connection, onClose: close, onDone };
  return (
    <>
      <div class="row" role="group" aria-label="What you can do">
        <Buttons
          connection={connection}
          isBusy={isBusy}
          onDoing={onDoing}
          onDo={(request) => {
            run(async () => {
              onDone(await request());
            });
          }}
        />
        <span class="muted" role="status">
          {isBusy ? 'Meterline is asked …' : ''}
        </span>
      </div>
      {error !== null && <ActionFailure error={error} />}
      {doing === 'rotate' && <RotateDialog {...dialog} />}
      {doing === 'rename' && <RenameDialog {...dialog} />}
      {doing === 'history' && <HistoryDialog {...dialog} />}
      {doing === 'disconnect' && <DisconnectDialog {...dialog} />}
    </>
  );
}

interface Choice {
  readonly help: Help | null;
  readonly words: string;
  readonly do: () => void;
}

function Buttons(props: {
  connection: Connection;
  isBusy: boolean;
  onDoing: (doing: Doing) => void;
  onDo: (request: () => Promise<string>) => void;
}) {
  const { connection, isBusy, onDoing, onDo } = props;
  const { help } = standingOf(connection);
  const ids = { id: connection.id };
  const open = (doing: Doing) => () => {
    onDoing(doing);
  };
  const isPaused = connection.status === 'paused';
  const live: Choice[] = [
    ...(isPaused
      ? []
      : [
          {
            help: 'read' as const,
            words: 'Read now',
            do: () => {
              onDo(() => readNow(ids));
            },
          },
        ]),
    { help: 'rotate', words: 'Rotate the key', do: open('rotate') },
    isPaused
      ? {
          help: 'resume',
          words: 'Resume',
          do: () => {
            onDo(() => resume(ids));
          },
        }
      : {
          help: null,
          words: 'Pause',
          do: () => {
            onDo(() => pause(ids));
          },
        },
    { help: null, words: 'Read more history', do: open('history') },
  ];
  const ended: Choice[] =
    connection.status === 'disconnected' ? [{ help: null, words: 'Delete its data', do: open('disconnect') }] : [];
  const choices: Choice[] = [
    ...(isLive(connection) ? live : ended),
    { help: null, words: 'Rename', do: open('rename') },
    ...(isLive(connection) ? [{ help: null, words: 'Disconnect', do: open('disconnect') }] : []),
  ];
  const sorted = choices.toSorted(
    (a, b) => Number(b.help === help && help !== null) - Number(a.help === help && help !== null),
  );
  return (
    <>
      {help === 'connect' && (
        <a class="button primary" href="#/connect">
          Connect with another key
        </a>
      )}
      {sorted.map((choice) => (
        <button
          key={choice.words}
          type="button"
          class={choice.help === help && help !== null ? 'primary' : ''}
          disabled={isBusy}
          onClick={choice.do}
        >
          {choice.words}
        </button>
      ))}
    </>
  );
}

type Ids = Readonly<Record<string, string>>;

async function readNow(ids: Ids): Promise<string> {
  await ask('post', '/v1/connections/{id}/sync', { ids, body: {} });
  return 'Meterline was asked to read now. The sync appears below as soon as it runs.';
}

async function pause(ids: Ids): Promise<string> {
  const { status } = await ask('post', '/v1/connections/{id}/pause', { ids });
  return status === 'paused' ? 'It is paused.' : 'Meterline was asked to pause it, and does so once a worker runs.';
}

async function resume(ids: Ids): Promise<string> {
  const { status } = await ask('post', '/v1/connections/{id}/resume', { ids });
  return status === 'paused' ? 'Meterline was asked to resume it, and does so once a worker runs.' : 'It is resumed.';
}
