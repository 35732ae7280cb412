import { itLivesAsModelled } from './model/lives.ts';

itLivesAsModelled(1, 2);
