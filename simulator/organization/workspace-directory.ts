import { ControlError } from '../errors.ts';
import { hashText } from '../random.ts';
import { makeId } from './ids.ts';
import type { Workspace } from './series.ts';

/** Changes what the list says about a workspace. What is not given stays. */
export interface WorkspaceChange {
  readonly name?: string | undefined;
  /** All tags that it then has. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  readonly archived?: boolean | undefined;
}

/**
 * The workspaces as the Admin API lists them. Changes here leave the data of all days as it is, since the same seed and
 * clock must give the same data in whatever order a client asks.
 */
export class WorkspaceDirectory {
  readonly #listed: Workspace[];

  constructor(workspaces: readonly Workspace[]) {
    this.#listed = [...workspaces];
  }

  list(): readonly Workspace[] {
    return this.#listed;
  }

  /** Throws ControlError. */
  change(idOrName: string, { name, tags, archived }: WorkspaceChange, now: string): Workspace {
    const found = this.#find(idOrName);
    const archivedAt = archived === undefined ? found.archivedAt : archived ? (found.archivedAt ?? now) : null;
    const changed = { ...found, name: name ?? found.name, tags: tags ?? found.tags, archivedAt };
    this.#listed[this.#listed.indexOf(found)] = changed;
    return changed;
  }

  /** Archives a workspace and creates another one with its name and tags. Returns the new one. Throws ControlError. */
  recreate(idOrName: string, now: string): Workspace {
    const old = this.change(idOrName, { archived: true }, now);
    const id = makeId('wrkspc', hashText(`${old.id} again ${this.#listed.length}`));
    const made = { ...old, id, createdAt: now, archivedAt: null };
    this.#listed.push(made);
    return made;
  }

  /** By id; or by name, where the last one created counts. The default workspace has no settings. */
  #find(idOrName: string): Workspace {
    const found = this.#listed.findLast(
      ({ id, name, isDefault }) => !isDefault && (id === idOrName || name === idOrName),
    );
    if (found === undefined) throw new ControlError(`no such workspace: ${JSON.stringify(idOrName)}`);
    return found;
  }
}
