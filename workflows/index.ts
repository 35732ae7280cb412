export { connection } from './connection.ts';
export { sync } from './sync.ts';
