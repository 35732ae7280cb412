export { assess } from './assess.ts';
export { connection } from './connection.ts';
export { delivery } from './delivery.ts';
export { sync } from './sync.ts';
