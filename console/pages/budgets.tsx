import type { Session } from '../client/session.ts';
import type { Route } from '../route.ts';
import { BudgetPage } from './budgets/budget.tsx';
import { BudgetEditor } from './budgets/editor.tsx';
import { BudgetList } from './budgets/list.tsx';
import '../style/alerts.css';
import '../style/budgets.css';
import '../style/explore.css';

/** The budgets, one of them, or the form of one. */
export function Budgets({ route, session }: { route: Route; session: Session }) {
  const [, id, part] = route.path;
  const isAdmin = session.role === 'admin';
  if (id === undefined) return <BudgetList isAdmin={isAdmin} />;
  if (id === 'new' || part === 'edit') return <BudgetEditor key={id} {...{ id, isAdmin }} />;
  return <BudgetPage key={id} {...{ id, isAdmin }} />;
}
