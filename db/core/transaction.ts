import type postgres from 'postgres';
import { lossOf } from './failures.ts';

/** What sends statements, in a transaction or outside of one. */
export type Statements = Pick<postgres.Sql, 'unsafe'>;
/** A session in which a transaction is open. */
export type Session = Pick<postgres.TransactionSql, 'unsafe' | 'savepoint'>;

/**
 * A transaction that outlives the loss of its connection. The driver answers every failure in a transaction with a
 * rollback, also that loss, and it lets a transaction that was lost go on. Either writes to no socket, from outside of any
 * promise, which ends the process; or into the next session of that connection. So neither reaches it: Postgres has
 * rolled back, and the driver rejects the transaction by itself as it notices the loss, which is what the caller sees.
 */
export async function survivingLoss<T>(client: postgres.Sql, work: (sql: Session) => PromiseLike<T>): Promise<T> {
  let isOver = false;
  const scope = async <R>(sql: Session, inner: (sql: Session) => PromiseLike<R>): Promise<R> => {
    try {
      const result = await inner(guarded(sql));
      return isOver ? await never() : result;
    } catch (error) {
      if (!isOver && lossOf(error) === null) throw error;
      return never();
    }
  };
  const guarded = (sql: Session): Session =>
    new Proxy(sql, {
      get: (target, name): unknown => {
        if (isOver) throw new Error('This transaction is over: its connection was lost');
        if (name !== 'savepoint') return Reflect.get(target, name);
        return <R>(inner: (sql: Session) => PromiseLike<R>) => target.savepoint((nested) => scope(nested, inner));
      },
    });
  try {
    return (await client.begin((sql) => scope(sql, work))) as T;
  } finally {
    isOver = true;
  }
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
