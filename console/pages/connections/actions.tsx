import { ask, type Schema } from '../../client/client.ts';
import { useAction } from '../../client/use-action.ts';
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
  const { isBusy, error, run } = useAction(async (request: () => Promise<string>) => {
    onDone(await request());
  });
  const close = (): void => {
    onDoing(null);
  };
  const dialog = { connection, onClose: close, onDone };
  return (
    <>
      <div class="row" role="group" aria-label="What you can do">
        <Buttons connection={connection} isBusy={isBusy} onDoing={onDoing} onDo={run} />
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
  readonly act: () => void;
}

interface Means {
  readonly onDoing: (doing: Doing) => void;
  readonly onDo: (request: () => Promise<string>) => void;
}

function Buttons({ connection, isBusy, ...means }: Means & { connection: Connection; isBusy: boolean }) {
  const { help } = standingOf(connection);
  const choices = choicesOf(connection, means);
  const helps = (choice: Choice): boolean => help !== null && choice.help === help;
  return (
    <>
      {help === 'connect' && (
        <a class="button primary" href="#/connect">
          Connect with another key
        </a>
      )}
      {[...choices.filter(helps), ...choices.filter((choice) => !helps(choice))].map((choice) => (
        <button
          key={choice.words}
          type="button"
          class={helps(choice) ? 'primary' : ''}
          disabled={isBusy}
          onClick={choice.act}
        >
          {choice.words}
        </button>
      ))}
    </>
  );
}

/** What can be done in the status of a connection. */
function choicesOf(connection: Connection, { onDoing, onDo }: Means): Choice[] {
  const ids = { id: connection.id };
  const opens = (words: string, doing: Doing, help: Help | null = null): Choice => ({
    help,
    words,
    act: () => {
      onDoing(doing);
    },
  });
  const does = (words: string, request: (of: Ids) => Promise<string>, help: Help | null = null): Choice => ({
    help,
    words,
    act: () => {
      onDo(() => request(ids));
    },
  });
  const rename = opens('Rename', 'rename');
  const hasData = connection.covered_from !== null || connection.last_sync !== null;
  if (connection.status === 'disconnected' && hasData) return [rename, opens('Delete its data', 'disconnect')];
  if (!isLive(connection)) return [rename];
  return [
    ...(connection.status === 'paused' ? [does('Resume', resume, 'resume')] : [does('Read now', readNow, 'read')]),
    opens('Rotate the key', 'rotate', 'rotate'),
    ...(connection.status === 'paused' ? [] : [does('Pause', pause)]),
    opens('Read more history', 'history'),
    rename,
    opens('Disconnect', 'disconnect'),
  ];
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
