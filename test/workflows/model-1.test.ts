import { itLivesAsModelled } from './model/lives.ts';

itLivesAsModelled(0, 2);
