import type postgres from 'postgres';
import { lossOf } from './failures.ts';

/** What sends statements, in a transaction or outside of one. */
export type Statements = Pick<postgres.Sql, 'unsafe'>;

/** A session in which a transaction is open. */
export type Session = Pick<postgres.TransactionSql, 'unsafe' | 'savepoint'>;

/**
 * Runs a transaction so that the loss of its connection only fails the transaction. The driver (postgres 3.4.9) answers
 * every failure inside a transaction with a rollback, even after the connection is lost, and lets the lost transaction go
 * on. Both then write to no socket, which throws outside of any promise and ends the process, or into the next session of
 * that connection. So this function keeps both from the driver: after a loss `work` never settles. Postgres has rolled back
 * by then, and the driver itself rejects the transaction when it notices the loss. test/db/database.test.ts ("to keep the
 * connection of …") fails without it.
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
