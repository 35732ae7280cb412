// Written by `npm run console:types`. Do not edit.
export interface paths {
    readonly "/healthz": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Says whether this process answers */
        readonly get: operations["getHealth"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/readyz": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Says whether Postgres and Temporal are available */
        readonly get: operations["getReadiness"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/allocation": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Shows the allocation document in force in a month */
        readonly get: operations["getAllocation"];
        /**
         * Stores the allocation document, in force from a month on
         * @description Earlier months keep the document that they have. A document from a month that has one already takes its place; the same document again changes nothing. No month from `from` on may be closed.
         */
        readonly put: operations["putAllocation"];
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/allocation/preview": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Shows what a document would change in an open month; stores nothing */
        readonly post: operations["previewAllocation"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/allocation/versions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists every version of the allocation document, newest first */
        readonly get: operations["listAllocationVersions"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/anomalies": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Lists what was unusual about the spend, newest first
         * @description Found on settled days: those read after their end whose lines add up. A connection needs 14 of them before anything is called unusual.
         */
        readonly get: operations["listAnomalies"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/anomalies/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Reads an anomaly */
        readonly get: operations["getAnomaly"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/anomalies/{id}/feedback": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Says whether an anomaly was expected, is real, or is wrong
         * @description It decides about this anomaly and those like it from the next assessment on, which begins at once. `effect` in the reply says what it changes. The latest feedback counts; earlier ones stay in the events of the connection.
         */
        readonly post: operations["giveAnomalyFeedback"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/anomalies/settings": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Reads how little it takes to open an anomaly */
        readonly get: operations["getAnomalySettings"];
        /**
         * Sets how little it takes to open an anomaly, for every connection
         * @description The next assessment, which begins at once, goes by it. It closes open anomalies that the new sensitivity no longer shows.
         */
        readonly put: operations["setAnomalySettings"];
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/budgets": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the budgets, newest first */
        readonly get: operations["listBudgets"];
        readonly put?: never;
        /**
         * Creates a budget, which is judged from now on
         * @description Without `filters` and `cost_center`, all costs count. It is judged for the period that today lies in, and for later ones. A scope that matches nothing yet is taken; `matches` says so.
         */
        readonly post: operations["createBudget"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/budgets/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Reads a budget: what is spent, what is expected, and which thresholds told */
        readonly get: operations["getBudget"];
        readonly put?: never;
        readonly post?: never;
        /** Deletes a budget; its open notices close */
        readonly delete: operations["deleteBudget"];
        readonly options?: never;
        readonly head?: never;
        /**
         * Changes a budget; what is not given stays
         * @description `filters` and `cost_center` replace each other. The budget is judged anew: a threshold with another number is another one, what told already and is still true is not told again, and what is not true any more is withdrawn.
         */
        readonly patch: operations["changeBudget"];
        readonly trace?: never;
    };
    readonly "/v1/budgets/replay": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Says what a budget would have told over the stored past; stores nothing and tells nobody
         * @description Each settled day is taken for the last one that was known, with the numbers that it has now. So what was corrected since counts as if it had been right at once.
         */
        readonly post: operations["replayBudget"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/channels": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the channels, newest first */
        readonly get: operations["listChannels"];
        readonly put?: never;
        /**
         * Creates a channel, to which notices go from now on
         * @description Test it next: nothing is sent before there is something to tell.
         */
        readonly post: operations["createChannel"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/channels/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Reads a channel */
        readonly get: operations["getChannel"];
        readonly put?: never;
        readonly post?: never;
        /**
         * Deletes a channel and its secrets for good
         * @description What waits for it ends as failed. Deliveries to it are still listed.
         */
        readonly delete: operations["deleteChannel"];
        readonly options?: never;
        readonly head?: never;
        /**
         * Changes a channel; what is not given stays
         * @description The kind never changes. `to` and `subscriptions` replace what was there. What waits for the channel goes to its new target.
         */
        readonly patch: operations["changeChannel"];
        readonly trace?: never;
    };
    readonly "/v1/channels/{id}/test": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Sends a notice to a channel, whatever it subscribes to, and repeats the words of the other side
         * @description The notice goes the way of every other one, through the worker. The reply waits some seconds for the first answer of each address; later ones are in `GET /v1/deliveries`.
         */
        readonly post: operations["testChannel"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/chargeback": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists every month that has costs, with its statements */
        readonly get: operations["listChargebackMonths"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/chargeback/{month}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Shows what each cost center owes for a month
         * @description Amounts are exact: over all rows they add up to `total` + `total_adjustment`, whatever the groups. The month after the last closed one carries corrections of closed months as `adjustment`. A closed month reads nothing but its statement, so its reply never changes.
         */
        readonly get: operations["getChargeback"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/chargeback/{month}/close": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Closes a month: from then on it stays what it is
         * @description Months are closed in their order. Days that are missing, uncovered or provisional refuse it, unless an `override` says why. What Anthropic corrects later becomes an adjustment of the next open month.
         */
        readonly post: operations["closeMonth"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/chargeback/{month}/journal": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Shows the month as journal entries in cents, which add up to zero
         * @description Every entry is rounded down to a cent, and the cents that are left go to the largest remainders, so the entries add up to the bill in cents.
         */
        readonly get: operations["getJournal"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/chargeback/{month}/lines": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Shows why each line went where it did: the rule, the pool and the share
         * @description A line of a pool has a row for each cost center that shares it.
         */
        readonly get: operations["listChargebackLines"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/chargeback/{month}/reopen": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Opens the last closed month again; its statement stays as a revision */
        readonly post: operations["reopenMonth"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists connections, newest first; refused ones only if `status` asks for them */
        readonly get: operations["listConnections"];
        readonly put?: never;
        /**
         * Connects an organization with an Admin API key
         * @description Waits up to 8 seconds for Anthropic's verdict on the key. A key that Anthropic refuses gets a 422. Its connection is then `refused`: lists leave it out, and the `connection_id` of the problem still reads it. Meterline encrypts the key before it stores it, and never shows it again.
         */
        readonly post: operations["connectOrganization"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Shows a connection, also a refused one
         * @description Its status, its covered and missing days, its last sync, and its last failure with what to do about it.
         */
        readonly get: operations["getConnection"];
        readonly put?: never;
        readonly post?: never;
        /**
         * Ends a connection and destroys its keys; its data stays unless `purge` is true
         * @description Waits up to 8 seconds until it is done. An ended connection can still be purged. The key stays valid at Anthropic until somebody deletes it in the Claude Console.
         */
        readonly delete: operations["disconnectOrganization"];
        readonly options?: never;
        readonly head?: never;
        /** Gives a connection another name */
        readonly patch: operations["renameConnection"];
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/backfill": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Moves the first day of a connection back, at most 365 days before today; the worker reads the new days */
        readonly post: operations["extendHistory"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/coverage": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Shows day by day what is stored, oldest first: the last 31 days, or a range of up to 400
         * @description A day without usage has zero lines and is not `missing`.
         */
        readonly get: operations["getCoverage"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/events": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists what happened to a connection, newest first, and who asked for it */
        readonly get: operations["listEvents"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/keys": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the keys of a connection, newest first: candidates, the active key, and what became of the others */
        readonly get: operations["listKeys"];
        readonly put?: never;
        /**
         * Stores a candidate without using it, and returns the Temporal signal that asks to use it
         * @description The first of two steps of a rotation by a Temporal signal, which contains no secret. The key that the connection has stays active: Meterline asks Anthropic about the new one once it receives the signal, and changes over if it is accepted. `POST /v1/connections/{id}/rotate-key` does it in one step.
         */
        readonly post: operations["addKey"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/keys/{keyId}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post?: never;
        /** Destroys a candidate; does nothing if it is destroyed already */
        readonly delete: operations["discardKey"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/pause": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Stops reading until it is resumed; the days of the pause are read then */
        readonly post: operations["pauseConnection"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/restatements": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the changes that Anthropic made to days after they were read, newest first */
        readonly get: operations["listRestatements"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/resume": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /** Resumes reading after a pause */
        readonly post: operations["resumeConnection"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/rotate-key": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Replaces the key; the old one stays active until Anthropic accepts the new one
         * @description Waits up to 8 seconds for Anthropic's verdict on the key. A refused key changes nothing.
         */
        readonly post: operations["rotateKey"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/sync": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Reads now: the given days, or the missing days and the last 31 days
         * @description Given days are read again even if they are covered. They must lie between the first day of the connection and today.
         */
        readonly post: operations["syncConnection"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/syncs": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the syncs, newest first; a sync that was reset in Temporal has several runs */
        readonly get: operations["listSyncs"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/connections/{id}/workspaces": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Lists the workspaces of the organization, archived ones too, with their tags and their former names
         * @description The default workspace comes first, then the others by name. Workspaces of the same name, such as an archived one and the one made in its place, are told apart by their id.
         */
        readonly get: operations["listWorkspaces"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/costs": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Adds up the costs of a range of days: the last 31 days, or up to 1100
         * @description Amounts are exact decimals in USD; other currencies are listed apart. The total is that of the whole range and not only of the page. `provisional_days`, `missing_days` and `uncovered_days` count the days for which the sums are not certain. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.
         */
        readonly get: operations["getCosts"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/costs/changes": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Explains why costs changed between two ranges: the last 31 days, or up to 1100, and an earlier one
         * @description Amounts are exact decimals in USD; other currencies are listed apart. In each row, `volume`, `mix`, `price` and `unmatched` add up to `change`.
         *     A row consists of cells: connection, workspace, model, token type, context window, service tier and geography. With C for cost and q for tokens of a cell, and 0 for before and 1 for after:
         *     - `price` is the sum of C1 − C0·q1/q0 over the cells that have tokens in both ranges, each rounded to 12 decimals;
         *     - `unmatched` is the change of costs without tokens;
         *     - `volume` is C0·(Q1/Q0 − 1), rounded to 12 decimals, for the costs and the tokens of all cells of the row that have tokens;
         *     - `mix` is the rest: tokens that moved between cells, new cells, and cells that are gone.
         *     The total is the sum of the rows. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.
         */
        readonly get: operations["getCostChanges"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/coverage": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Shows how far the costs of each day can be relied on: the last 31 days, or up to 1100
         * @description `provisional_days`, `missing_days` and `uncovered_days` are those of `GET /v1/costs` for the same range and connections. With several connections, a day may count as more than one of them, while `state` names the first.
         */
        readonly get: operations["getDayStates"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/deliveries": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the ways of notices to their addresses, newest first */
        readonly get: operations["listDeliveries"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/deliveries/{id}/resend": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Sends a delivery again that failed, is unknown, or is held
         * @description One that was sent is never sent again: a notice is told once.
         */
        readonly post: operations["resendDelivery"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/events": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Lists what happened to the deployment, newest first: who created and revoked which token, which sessions began and ended, and what became of channels
         * @description What concerns one connection is among the events of that connection.
         */
        readonly get: operations["listDeploymentEvents"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/exports/focus": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Writes costs and usage as a FOCUS file, a row for each line of cost
         * @description Costs are exact: those of each day and currency add up to `GET /v1/costs`. The last 31 days, or up to 1100. A row has a quantity and a price only where its tokens are known and the price times the quantity is its cost to the last digit. A change to a closed month is a row of its own, with the `ChargeClass` `Correction`. Texts are as they were reported, so a program for tables may take one for a formula. Two exports are written at a time.
         */
        readonly get: operations["exportFocus"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/exports/focus/metadata": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Describes the FOCUS file of the same parameters: its columns, how certain it is, and what it replaces */
        readonly get: operations["getFocusMetadata"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/forecast": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Says what this month, or the time through a day, is expected to come to
         * @description It is made of settled days alone, by the method that would have done best on the past of this very series; `backtest` says how well. Fewer than 14 settled days give none, and `reason` says so. Nothing is stored. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.
         */
        readonly get: operations["getForecast"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/notices": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists what people should know, newest first */
        readonly get: operations["listNotices"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/reports": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the reports, newest first */
        readonly get: operations["listReports"];
        readonly put?: never;
        /**
         * Creates a report, which tells the costs of each day, week or month from now on
         * @description It is a Schedule in Temporal, where people trigger, pause and resume it. Without `query`, it tells all costs by model.
         */
        readonly post: operations["createReport"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/reports/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Reads a report, with what it told last and when it is due next */
        readonly get: operations["getReport"];
        readonly put?: never;
        readonly post?: never;
        /**
         * Deletes a report and its Schedule
         * @description What it told stays, and what is on its way is still delivered.
         */
        readonly delete: operations["deleteReport"];
        readonly options?: never;
        readonly head?: never;
        /**
         * Changes a report; what is not given stays
         * @description `query` and `channels` replace what was there. A Schedule that is paused stays paused.
         */
        readonly patch: operations["changeReport"];
        readonly trace?: never;
    };
    readonly "/v1/reports/{id}/run": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        /**
         * Tells a report now, of the last period that is over in UTC
         * @description It does not wait for a sync: what is missing is named. A period that was told already is not told again; the reply has its notice and its deliveries.
         */
        readonly post: operations["runReport"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/session": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Says whose token or session a request has */
        readonly get: operations["getSession"];
        readonly put?: never;
        /**
         * Begins a session of a browser, with a token or a link
         * @description The reply sets a cookie that only this deployment reads; the cookie then stands for the token. A session ends 12 hours after its last request, after 7 days at the latest, and with its token. A link works once.
         */
        readonly post: operations["beginSession"];
        /**
         * Ends the session of the request
         * @description A request with a token in its header has no session, and ends none.
         */
        readonly delete: operations["endSession"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/sessions": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the sessions that have not ended, newest first */
        readonly get: operations["listSessions"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/sessions/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post?: never;
        /**
         * Ends any session for good
         * @description The token that it began with stays valid. Revoking that token ends all of its sessions.
         */
        readonly delete: operations["revokeSession"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/tokens": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /** Lists the tokens of this API, newest first, with revoked and expired ones */
        readonly get: operations["listTokens"];
        readonly put?: never;
        /** Creates a token of this API */
        readonly post: operations["createToken"];
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/tokens/{id}": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly get?: never;
        readonly put?: never;
        readonly post?: never;
        /** Revokes a token for good, and every token that it created */
        readonly delete: operations["revokeToken"];
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/unit-costs": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Says what a million tokens cost in a range of days: the last 31 days, or up to 1100
         * @description Costs and tokens meet where connection, day, workspace, model, token type, context window, service tier and geography are the same. A geography that is absent, null or `not_available` is one value.
         *     Prices are only those that were billed: `usd_per_million` is (`amount` − `unmatched_amount`) / (`tokens` − `unpriced_tokens`) × 10⁶, rounded half-even to 12 decimals, or null with a `reason`. The amounts of all rows add up to those of `/v1/costs`, and the tokens to those of `/v1/usage`.
         *     With `token_type` in `group_by`, the rows have no `cache_hit_rate`, `cache_savings` and `batch_savings`. Each of these that is null has a reason. Savings compare with the price that the same organization paid in the same month for the same model, tier, context window and geography; it is rounded like `usd_per_million`.
         *     With `currency` in `group_by`, tokens are in the row of the currency that billed them, and those that were not billed in the row whose currency is null. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.
         */
        readonly get: operations["getUnitCosts"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
    readonly "/v1/usage": {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        /**
         * Adds up the tokens and requests of a range of days: the last 31 days, or up to 1100
         * @description Counts are exact whole numbers. The totals are those of the whole range and not only of the page. A query parameter `tag.<key>` or `not.tag.<key>` filters by a tag of workspaces.
         */
        readonly get: operations["getUsage"];
        readonly put?: never;
        readonly post?: never;
        readonly delete?: never;
        readonly options?: never;
        readonly head?: never;
        readonly patch?: never;
        readonly trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        readonly AddedKey: {
            /**
             * @description What to do next, since the connection goes on with the key that it has.
             * @example Nothing is rotated yet. Send the signal to the workflow within 24 hours, and Meterline asks Anthropic about the key and changes over once it is accepted. POST …/rotate-key does both at once.
             */
            readonly action: string;
            /**
             * @description The last four characters of the key.
             * @example wxyz
             */
            readonly hint: string;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly key_id: string;
            /** @description The signal to send in Temporal's UI or command line. It contains no secret. */
            readonly signal: {
                readonly input: {
                    /**
                     * Format: uuid
                     * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                     */
                    readonly keyId: string;
                };
                /** @constant */
                readonly name: "rotateKey";
                /**
                 * @description The workflow's id in Temporal.
                 * @example connection-0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly workflow_id: string;
            };
            /**
             * @description `candidate`: the key is stored, and nothing uses it yet.
             * @enum {string}
             */
            readonly state: "candidate" | "active" | "superseded" | "refused" | "destroyed";
        };
        readonly Allocation: {
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly from: string;
            readonly pools: readonly components["schemas"]["AllocationPool"][];
            readonly rules: readonly components["schemas"]["AllocationRule"][];
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly stored_at: string;
            /** @description The name of the token that stored it. */
            readonly stored_by: string;
            /** @description From 1 on. */
            readonly version: number;
            /** @description What is allowed and hardly meant: rules that no line reaches, pools that stay empty, and rules by a connection that does not exist, or that has a newer one of the same organization beside it; values with white space at an end, which look like others. */
            readonly warnings: readonly {
                /** @description A sentence without its full stop. */
                readonly message: string;
                readonly path: string;
            }[];
        };
        /**
         * @description Which lines match, by dimension: `connection` (ids), `workspace` (ids; `default` or null is the default workspace), `model`, `token_type`, `context_window`, `service_tier`, `inference_geo`, `cost_type`, `description`, `currency` and `tag.<key>`. A line matches if every condition holds; `{}` matches every line.
         * @example {
         *       "model": [
         *         "claude-opus-4-5"
         *       ],
         *       "not": {
         *         "workspace": [
         *           "default"
         *         ]
         *       }
         *     }
         */
        readonly AllocationConditions: {
            /** @description Only lines with none of these values. */
            readonly not?: {
                readonly [key: string]: readonly (string | null)[];
            };
        } & {
            readonly [key: string]: readonly (string | null)[];
        };
        readonly AllocationPool: {
            /** @description Who shares: cost centers, and pools that come later. Without it, every cost center that a line of the month goes to directly; with fixed percentages, the names that have one. */
            readonly among?: readonly (string | {
                readonly pool: string;
            })[];
            /**
             * @description Unique among pools.
             * @example Platform
             */
            readonly name: string;
            /**
             * @description In equal parts; in fixed percentages that add up to 100, as decimals in text; or in proportion to what the recipients have in the month, with what they get from earlier pools.
             * @example {
             *       "fixed": {
             *         "Platform": "60",
             *         "Research": "40"
             *       }
             *     }
             */
            readonly split: "even" | {
                readonly fixed: {
                    readonly [key: string]: string;
                };
            } | {
                /** @enum {string} */
                readonly proportional: "cost" | "tokens";
            };
        };
        readonly AllocationPreview: {
            /** @description Both columns add up to `total`. Adjustments of closed months are not in it. */
            readonly data: readonly components["schemas"]["PreviewRow"][];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            readonly missing_days: number;
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly month: string;
            /** @description How the document of the request shares its pools. */
            readonly pools: readonly components["schemas"]["PreviewPool"][];
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            /**
             * @description The bill of the month in USD.
             * @example 12.3456789
             */
            readonly total: string;
            readonly uncovered_days: number;
            /** @description What is allowed and hardly meant: rules that no line reaches, pools that stay empty, and rules by a connection that does not exist, or that has a newer one of the same organization beside it; values with white space at an end, which look like others. */
            readonly warnings: readonly {
                /** @description A sentence without its full stop. */
                readonly message: string;
                readonly path: string;
            }[];
        };
        readonly AllocationRule: {
            /**
             * @description Unique among rules. `lines` shows it.
             * @example Platform
             */
            readonly name: string;
            /** @description A cost center by its name; `{"tag": "team"}` for the cost center that this tag of the workspace names, where a line without the tag does not match; or `{"pool": "name"}`. */
            readonly to: string | {
                readonly tag: string;
            } | {
                readonly pool: string;
            };
            readonly where: components["schemas"]["AllocationConditions"];
        };
        readonly AllocationVersion: {
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly from: string;
            /** @description False: a later version from the same month took its place. */
            readonly in_force: boolean;
            readonly pools: readonly components["schemas"]["AllocationPool"][];
            readonly rules: readonly components["schemas"]["AllocationRule"][];
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly stored_at: string;
            /** @description The name of the token that stored it. */
            readonly stored_by: string;
            /** @description The last month before another version is in force; null if none is. */
            readonly through: string | null;
            /** @description From 1 on. */
            readonly version: number;
        };
        readonly Anomaly: {
            /** @description The fewest conditions that explain at least 80 % of the excess. Those on one dimension are alternatives, dimensions hold together. Empty: the spend moved as a whole. */
            readonly cause: readonly components["schemas"]["AnomalyCondition"][];
            /** @description The cost of the cause on the last of its days, against as many days before it. `volume`, `mix`, `price` and `unmatched` add up to `change` exactly, and mean the same as in `/v1/costs/changes`. */
            readonly change: {
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly after: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly before: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly change: string;
                /** @description How many of its days are compared with as many days before it, on the same weekdays where there are any. */
                readonly compared_days: number;
                /**
                 * @description Because tokens went to other models, token types, tiers, …
                 * @example 12.3456789
                 */
                readonly mix: string;
                /**
                 * @description Because the same tokens cost more or less.
                 * @example 12.3456789
                 */
                readonly price: string;
                /**
                 * @description Cost without tokens.
                 * @example 12.3456789
                 */
                readonly unmatched: string;
                /**
                 * @description Because of more or fewer tokens.
                 * @example 12.3456789
                 */
                readonly volume: string;
            };
            readonly connection: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            /** @description What moved the other way. */
            readonly counterpart: readonly components["schemas"]["AnomalyCondition"][];
            /** @description Each day of it, with the band in which the cost of the cause was expected. */
            readonly days: readonly {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly expected: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly high: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly low: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly observed: string;
            }[];
            /** @description 1 if the first day decided it. */
            readonly days_to_detection: number;
            /**
             * Format: date
             * @description The day whose spend decided it.
             * @example 2026-01-31
             */
            readonly detected_on: string;
            /** @enum {string} */
            readonly direction: "up" | "down";
            /** @description Why it is over: the spend is `back`, its level is the `new_normal`, feedback says `expected` or `wrong`, its days were `restated`, the `sensitivity` no longer shows it, or the connection is `disconnected`. */
            readonly end: ("back" | "new_normal" | "expected" | "wrong" | "restated" | "sensitivity" | "disconnected") | null;
            readonly ended_at: string | null;
            /**
             * @description Observed less expected, exactly; below zero for a drop.
             * @example 12.3456789
             */
            readonly excess: string;
            /**
             * @description What it was expected to cost.
             * @example 12.3456789
             */
            readonly expected: string;
            /** @description The share of the excess that the cause explains; 1 is all of it. */
            readonly explained: number;
            /** @description The address of its days in the console, with those before. */
            readonly explore: string;
            /** @description The latest; null if nobody said anything. */
            readonly feedback: {
                /** @description The name of the token that gave it. */
                readonly actor: string;
                /**
                 * Format: date-time
                 * @example 2026-01-31T06:12:00.000Z
                 */
                readonly at: string;
                /** @description What it changes from now on. */
                readonly effect: string | null;
                /**
                 * @description `expected`: it was planned. `real`: it is a problem. `wrong`: it is no anomaly.
                 * @example expected
                 * @enum {string}
                 */
                readonly feedback: "expected" | "real" | "wrong";
                readonly note: string | null;
            } | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly first_day: string;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /**
             * @description A `spike` or a `drop` lasts a day or two, a `level_shift` stays, a `drift` grows day by day. In an `offsetting` move one part rises, another falls, and the total stays. `new_spend` is the first spend on something that was never seen before.
             * @enum {string}
             */
            readonly kind: "spike" | "drop" | "level_shift" | "drift" | "offsetting" | "new_spend";
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly last_day: string;
            /** @description What people were told; null if it was over when it was found. */
            readonly notice_id: string | null;
            /**
             * @description What the cause cost on its days, in US dollars.
             * @example 12.3456789
             */
            readonly observed: string;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly opened_at: string;
            /** @description What happened, and why it is over. */
            readonly sentence: string;
            /** @enum {string} */
            readonly severity: "info" | "warning" | "critical";
            /**
             * @description It is `open` until it is over and `closed`. It is `withdrawn` if Anthropic corrected its days and they no longer show it.
             * @enum {string}
             */
            readonly state: "open" | "closed" | "withdrawn";
            /** @description How far it went beyond what `medium` asks for; 1 is just enough. */
            readonly strength: number;
            /** @description One line. */
            readonly subject: string;
            /** @description Where in the cause it happened, if that narrows it further. */
            readonly within: readonly components["schemas"]["AnomalyCondition"][];
        };
        readonly AnomalyCondition: {
            /** @example workspace */
            readonly dimension: string;
            /**
             * @description What people call it.
             * @example Production
             */
            readonly name: string;
            /** @description As in the filters of `/v1/costs`. Null is "not reported"; for a workspace it is the default one. */
            readonly value: string | null;
        };
        readonly AnomalyFeedback: {
            /**
             * @description `expected`: it was planned. `real`: it is a problem. `wrong`: it is no anomaly.
             * @example expected
             * @enum {string}
             */
            readonly feedback: "expected" | "real" | "wrong";
            /**
             * @description Why, for whoever reads it later. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example We load the archive this week.
             */
            readonly note?: string;
        };
        readonly AnomalyList: {
            readonly data: readonly components["schemas"]["Anomaly"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly AnomalySettings: {
            /**
             * @description How little it takes to open an anomaly. What a lower sensitivity finds, a higher one finds too.
             * @example medium
             * @enum {string}
             */
            readonly sensitivity: "low" | "medium" | "high";
        };
        readonly BackfillRequest: {
            /**
             * Format: date
             * @description The new first day of the connection, at most 365 days before today.
             * @example 2026-01-31
             */
            readonly from: string;
        };
        readonly Budget: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            readonly channels: readonly string[];
            readonly cost_center: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description The period that today lies in, or the only one. All below is about it. */
            readonly current: {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            /** @description For a chart: what is spent by the end of each day of the period up to today. */
            readonly days: readonly {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly spent: string;
                /** @enum {string} */
                readonly state: "missing" | "uncovered" | "provisional" | "final";
            }[];
            /** @description On which day from today on the amount is expected to be used up: 1 is today, 0 is past. Null if not in this period. */
            readonly days_to_exhaustion: number | null;
            /** @description Null for a budget of a cost center. */
            readonly filters: components["schemas"]["StoredQuery"] | null;
            /** @description The last one that was kept. */
            readonly forecast: {
                /** @description For a chart: what is expected to be spent by the end of each day to come. */
                readonly days: readonly {
                    /**
                     * Format: date
                     * @description A UTC day.
                     * @example 2026-01-31
                     */
                    readonly day: string;
                    /**
                     * @description An exact decimal in major units.
                     * @example 12.3456789
                     */
                    readonly high: string;
                    /**
                     * @description An exact decimal in major units.
                     * @example 12.3456789
                     */
                    readonly low: string;
                    /**
                     * @description An exact decimal in major units.
                     * @example 12.3456789
                     */
                    readonly mean: string;
                }[];
                /** @description and at most this. */
                readonly high: string | null;
                /** @description In eight of ten cases it comes to at least this, */
                readonly low: string | null;
                readonly made_on: string | null;
                /** @description What the whole period is expected to come to. */
                readonly mean: string | null;
                /** @description How it was made; `actual` if every day is settled, null if nothing can be said. */
                readonly method: string | null;
                /** @description Why there is none. */
                readonly reason: string | null;
            };
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @description Whether more was spent than is read: days are missing or uncovered. */
            readonly is_lower_bound: boolean;
            /** @description Whether the scope matched any cost in this period so far. */
            readonly matches: boolean;
            /** @description Days before today that are not read yet. */
            readonly missing_days: number;
            /** @example Platform team */
            readonly name: string;
            /**
             * @description Of the amount, cut after two decimals.
             * @example 12.3456789
             */
            readonly percent: string;
            readonly period: ("month" | "quarter" | "year") | {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            readonly provisional_days: number;
            /**
             * @description US dollars over every day that is read, provisional ones too.
             * @example 12.3456789
             */
            readonly spent: string;
            readonly thresholds: readonly {
                /**
                 * @description What it comes to in US dollars.
                 * @example 12.3456789
                 */
                readonly amount: string;
                /** @description When it told in this period; null if it did not. */
                readonly fired_at: string | null;
                readonly notice_id: string | null;
                /** @enum {string} */
                readonly of: "actual" | "forecast";
                /** @description Of the amount; null for a threshold in dollars. */
                readonly percent: string | null;
                /** @description US dollars; null for a percentage. */
                readonly usd: string | null;
                readonly withdrawn: readonly components["schemas"]["WithdrawnAlert"][];
            }[];
            /** @description Days up to today that no connection covers. */
            readonly uncovered_days: number;
            /** @description Filters by a connection that does not exist any more, or that has a newer one of the same organization beside it. */
            readonly warnings: readonly {
                /** @description A sentence without its full stop. */
                readonly message: string;
                readonly path: string;
            }[];
        };
        readonly BudgetChange: {
            /**
             * @description What may be spent in each period, in US dollars.
             * @example 10000
             */
            readonly amount?: string;
            /** @description The channels that are told, by their ids. None stands for all that take such notices. */
            readonly channels?: readonly string[];
            /**
             * @description A cost center of the chargeback, in place of filters. What it is charged counts, without adjustments. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example platform
             */
            readonly cost_center?: string;
            /** @description The filters of `GET /v1/costs` by the names of its parameters, each a text or a list of texts: `connection_id`, `workspace`, `model` and so on, `tag.<key>`, and each with `not.` before it. Several values are alternatives; an empty text stands for what Anthropic did not report. */
            readonly filters?: {
                readonly connection_id?: string | readonly string[];
                readonly context_window?: string | readonly string[];
                readonly cost_type?: string | readonly string[];
                readonly currency?: string | readonly string[];
                readonly description?: string | readonly string[];
                readonly inference_geo?: string | readonly string[];
                readonly model?: string | readonly string[];
                readonly "not.connection_id"?: string | readonly string[];
                readonly "not.context_window"?: string | readonly string[];
                readonly "not.cost_type"?: string | readonly string[];
                readonly "not.currency"?: string | readonly string[];
                readonly "not.description"?: string | readonly string[];
                readonly "not.inference_geo"?: string | readonly string[];
                readonly "not.model"?: string | readonly string[];
                readonly "not.service_tier"?: string | readonly string[];
                readonly "not.token_type"?: string | readonly string[];
                readonly "not.workspace"?: string | readonly string[];
                readonly service_tier?: string | readonly string[];
                readonly token_type?: string | readonly string[];
                readonly workspace?: string | readonly string[];
            } & {
                readonly [key: string]: string | readonly string[];
            };
            /**
             * @description What people call the budget. No two budgets have the same name. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Platform team
             */
            readonly name?: string;
            /**
             * @description A UTC month, quarter or year, which recurs, or the days from `from` to `to`.
             * @example month
             */
            readonly period?: ("month" | "quarter" | "year") | {
                /**
                 * Format: date
                 * @description A UTC day, inclusive.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day, inclusive.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            /**
             * @description When to tell. Each tells once in a period.
             * @example [
             *       {
             *         "of": "actual",
             *         "percent": "80"
             *       }
             *     ]
             */
            readonly thresholds?: readonly ({
                /**
                 * @description `actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.
                 * @enum {string}
                 */
                readonly of: "actual" | "forecast";
                /**
                 * @description Of the amount of the budget.
                 * @example 80
                 */
                readonly percent: string;
            } | {
                /**
                 * @description `actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.
                 * @enum {string}
                 */
                readonly of: "actual" | "forecast";
                /**
                 * @description US dollars.
                 * @example 500
                 */
                readonly usd: string;
            })[];
        };
        readonly BudgetItem: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            /** @description The period that today lies in, as it was assessed last: after the last sync. Null until it is assessed. `GET /v1/budgets/{id}` counts anew and says which days are missing. */
            readonly assessed: {
                /** @description What the whole period is expected to come to; null if nothing can be said. */
                readonly expected: string | null;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly on: string;
                /**
                 * @description Of the amount, cut after two decimals.
                 * @example 12.3456789
                 */
                readonly percent: string;
                /**
                 * @description US dollars over every day that was read.
                 * @example 12.3456789
                 */
                readonly spent: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            } | null;
            readonly channels: readonly string[];
            readonly cost_center: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description Null for a budget of a cost center. */
            readonly filters: components["schemas"]["StoredQuery"] | null;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @example Platform team */
            readonly name: string;
            readonly period: ("month" | "quarter" | "year") | {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            readonly thresholds: readonly {
                /** @enum {string} */
                readonly of: "actual" | "forecast";
                /** @description Of the amount; null for a threshold in dollars. */
                readonly percent: string | null;
                /** @description US dollars; null for a percentage. */
                readonly usd: string | null;
            }[];
            /** @description Filters by a connection that does not exist any more, or that has a newer one of the same organization beside it. */
            readonly warnings: readonly {
                /** @description A sentence without its full stop. */
                readonly message: string;
                readonly path: string;
            }[];
        };
        readonly BudgetList: {
            readonly data: readonly components["schemas"]["BudgetItem"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly BudgetReplay: {
            /**
             * @description What may be spent in each period, in US dollars.
             * @example 10000
             */
            readonly amount: string;
            /**
             * @description A cost center of the chargeback, in place of filters. What it is charged counts, without adjustments. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example platform
             */
            readonly cost_center?: string;
            /** @description The filters of `GET /v1/costs` by the names of its parameters, each a text or a list of texts: `connection_id`, `workspace`, `model` and so on, `tag.<key>`, and each with `not.` before it. Several values are alternatives; an empty text stands for what Anthropic did not report. */
            readonly filters?: {
                readonly connection_id?: string | readonly string[];
                readonly context_window?: string | readonly string[];
                readonly cost_type?: string | readonly string[];
                readonly currency?: string | readonly string[];
                readonly description?: string | readonly string[];
                readonly inference_geo?: string | readonly string[];
                readonly model?: string | readonly string[];
                readonly "not.connection_id"?: string | readonly string[];
                readonly "not.context_window"?: string | readonly string[];
                readonly "not.cost_type"?: string | readonly string[];
                readonly "not.currency"?: string | readonly string[];
                readonly "not.description"?: string | readonly string[];
                readonly "not.inference_geo"?: string | readonly string[];
                readonly "not.model"?: string | readonly string[];
                readonly "not.service_tier"?: string | readonly string[];
                readonly "not.token_type"?: string | readonly string[];
                readonly "not.workspace"?: string | readonly string[];
                readonly service_tier?: string | readonly string[];
                readonly token_type?: string | readonly string[];
                readonly workspace?: string | readonly string[];
            } & {
                readonly [key: string]: string | readonly string[];
            };
            /**
             * Format: date
             * @description The first day that is replayed. Without it, 92 days ago.
             * @example 2026-01-31
             */
            readonly from?: string;
            /**
             * @description A UTC month, quarter or year, which recurs, or the days from `from` to `to`.
             * @example month
             */
            readonly period: ("month" | "quarter" | "year") | {
                /**
                 * Format: date
                 * @description A UTC day, inclusive.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day, inclusive.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            /**
             * @description When to tell. Each tells once in a period.
             * @example [
             *       {
             *         "of": "actual",
             *         "percent": "80"
             *       }
             *     ]
             */
            readonly thresholds: readonly ({
                /**
                 * @description `actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.
                 * @enum {string}
                 */
                readonly of: "actual" | "forecast";
                /**
                 * @description Of the amount of the budget.
                 * @example 80
                 */
                readonly percent: string;
            } | {
                /**
                 * @description `actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.
                 * @enum {string}
                 */
                readonly of: "actual" | "forecast";
                /**
                 * @description US dollars.
                 * @example 500
                 */
                readonly usd: string;
            })[];
        };
        readonly BudgetReplayed: {
            readonly alerts: readonly {
                /**
                 * @description What the threshold comes to in US dollars.
                 * @example 12.3456789
                 */
                readonly amount: string;
                /**
                 * Format: date
                 * @description The day by whose end it would have been known.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /** @enum {string} */
                readonly of: "actual" | "forecast";
                /** @description Of the amount; null for a threshold in dollars. */
                readonly percent: string | null;
                readonly period: {
                    /**
                     * Format: date
                     * @description A UTC day.
                     * @example 2026-01-31
                     */
                    readonly from: string;
                    /**
                     * Format: date
                     * @description A UTC day.
                     * @example 2026-01-31
                     */
                    readonly to: string;
                };
                /** @description US dollars; null for a percentage. */
                readonly usd: string | null;
                /**
                 * @description What reached it.
                 * @example 12.3456789
                 */
                readonly value: string;
            }[];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description How many days were replayed: those that are settled. */
            readonly settled_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
        };
        /** @description A new key that still waits for Anthropic's verdict. */
        readonly Candidate: {
            /** @description How its last try failed. */
            readonly error: components["schemas"]["Failure"] | null;
            /**
             * @description The last four characters of the key.
             * @example wxyz
             */
            readonly hint: string;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @description When it is tried again; null if that is not known. */
            readonly next_try_at: string | null;
            /** @enum {string} */
            readonly state: "candidate" | "active" | "superseded" | "refused" | "destroyed";
        };
        /** @description The sums of all rows in USD, and not only of this page. */
        readonly Change: {
            /**
             * @description The amount of the range.
             * @example 12.3456789
             */
            readonly after: string;
            /**
             * @description The amount of the earlier range.
             * @example 12.3456789
             */
            readonly before: string;
            /**
             * @description `after` − `before`; `volume`, `mix`, `price` and `unmatched` add up to it exactly.
             * @example 12.3456789
             */
            readonly change: string;
            /**
             * @description Tokens moved between models, workspaces and so on; also what came and went.
             * @example 12.3456789
             */
            readonly mix: string;
            /**
             * @description The same tokens cost more or less than before.
             * @example 12.3456789
             */
            readonly price: string;
            /**
             * @description Costs without tokens, such as web searches.
             * @example 12.3456789
             */
            readonly unmatched: string;
            /**
             * @description What as many tokens more or less would have cost at the mix and the prices of before.
             * @example 12.3456789
             */
            readonly volume: string;
        };
        /** @description Has the fields of `group_by`; a tag is the field `tag.<key>`. Null stands for a value that Anthropic did not report, and for a tag that the workspace does not have. */
        readonly ChangeRow: {
            /**
             * @description The amount of the range.
             * @example 12.3456789
             */
            readonly after: string;
            /**
             * @description The amount of the earlier range.
             * @example 12.3456789
             */
            readonly before: string;
            /**
             * @description `after` − `before`; `volume`, `mix`, `price` and `unmatched` add up to it exactly.
             * @example 12.3456789
             */
            readonly change: string;
            readonly connection?: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window?: string | null;
            readonly cost_type?: string | null;
            readonly currency?: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day?: string;
            readonly description?: string | null;
            readonly inference_geo?: string | null;
            /**
             * @description Tokens moved between models, workspaces and so on; also what came and went.
             * @example 12.3456789
             */
            readonly mix: string;
            readonly model?: string | null;
            /** @example 2026-01 */
            readonly month?: string;
            /**
             * @description The same tokens cost more or less than before.
             * @example 12.3456789
             */
            readonly price: string;
            readonly service_tier?: string | null;
            readonly token_type?: string | null;
            /**
             * @description Costs without tokens, such as web searches.
             * @example 12.3456789
             */
            readonly unmatched: string;
            /**
             * @description What as many tokens more or less would have cost at the mix and the prices of before.
             * @example 12.3456789
             */
            readonly volume: string;
            /**
             * Format: date
             * @description The Monday of a week.
             * @example 2026-01-31
             */
            readonly week?: string;
            /** @description The default workspace has no id. */
            readonly workspace?: {
                readonly id: string | null;
                readonly name: string;
            };
        } & {
            readonly [key: string]: string | null;
        };
        readonly Changes: {
            /** @description When the newest of the days was read; null if none was. It differs from page to page exactly if a sync wrote in between: its last digits stand for all days, so compare it as a text. */
            readonly as_of: string | null;
            readonly compare: {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /** @description Days of the earlier range that are still to be read. */
                readonly missing_days: number;
                /** @description Days of the earlier range that were read and that Anthropic may still change. */
                readonly provisional_days: number;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
                /** @description Days of the earlier range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
                readonly uncovered_days: number;
                /** @enum {string} */
                readonly with: "previous" | "month" | "year";
            };
            readonly data: readonly components["schemas"]["ChangeRow"][];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description As in the request. */
            readonly group_by: readonly string[];
            /** @description Days of the range that are still to be read. */
            readonly missing_days: number;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            readonly other?: components["schemas"]["OtherChanges"];
            /** @description Costs in other currencies. No sum in USD contains them. */
            readonly other_currencies: readonly {
                /**
                 * @description The amount of the range.
                 * @example 12.3456789
                 */
                readonly after: string;
                /**
                 * @description The amount of the earlier range.
                 * @example 12.3456789
                 */
                readonly before: string;
                /**
                 * @description `after` − `before`.
                 * @example 12.3456789
                 */
                readonly change: string;
                readonly currency: string;
            }[];
            /** @description Days of the range that were read and that Anthropic may still change. */
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            readonly total: components["schemas"]["Change"];
            /** @description Days of the range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
            readonly uncovered_days: number;
        };
        readonly Channel: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description Why it takes nothing, if it is disabled. */
            readonly disabled_reason: string | null;
            readonly enabled: boolean;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @enum {string} */
            readonly kind: "email" | "slack" | "teams" | "webhook" | "pagerduty";
            /** @example Costs team */
            readonly name: string;
            /** @description Null lets every notice through. */
            readonly subscriptions: {
                readonly connections: readonly string[] | null;
                readonly kinds: readonly ("connected" | "connection_trouble" | "connection_recovered" | "key_rotated" | "day_flagged" | "restated" | "report" | "anomaly" | "budget_threshold" | "test")[] | null;
                readonly least_severity: ("info" | "warning" | "critical") | null;
            };
            /**
             * @description The part of the target that is no secret: a mail address or their number, a host, the end of a key.
             * @example hooks.example.com
             */
            readonly target: string;
            /** @description Of the kind `email`. Whoever unsubscribed gets no mail; give the address anew to undo it. */
            readonly to: readonly {
                readonly address: string;
                readonly unsubscribed_at: string | null;
            }[];
        };
        readonly ChannelChange: {
            /** @description False stops the channel: no notice goes to it, and what waits for it ends. True lets it go on, also after its address said that it is gone. */
            readonly enabled?: boolean;
            /**
             * @description What people call the channel. No two channels have the same name. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Costs team
             */
            readonly name?: string;
            /**
             * @description The service region of the account, for the kind `pagerduty`: `us` unless you say `eu`. An account in Europe has addresses with `eu.pagerduty.com`.
             * @example eu
             * @enum {string}
             */
            readonly region?: "us" | "eu";
            /**
             * Format: password
             * @description The integration key of a service with Events API v2, for the kind `pagerduty`.
             * @example EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0
             */
            readonly routing_key?: string;
            /**
             * Format: password
             * @description The secret that signs each request (Standard Webhooks), for the kind `webhook`. A changed secret signs beside the one before, so that the receiver can change over.
             * @example whsec_RVhBTVBMRS10aGlzLWlzLW5vdC1hLXNlY3JldC4uLg==
             */
            readonly secret?: string;
            /**
             * @description Which notices the channel takes: those that all given parts let through. Without it, all.
             * @example {
             *       "kinds": [
             *         "connection_trouble",
             *         "connection_recovered"
             *       ],
             *       "least_severity": "info"
             *     }
             */
            readonly subscriptions?: {
                /** @description Only notices about these connections. */
                readonly connections?: readonly string[];
                /** @description Only notices of these kinds. Without it, of all kinds. */
                readonly kinds?: readonly ("connected" | "connection_trouble" | "connection_recovered" | "key_rotated" | "day_flagged" | "restated" | "report" | "anomaly" | "budget_threshold" | "test")[];
                /**
                 * @description Only notices that are at least so urgent.
                 * @enum {string}
                 */
                readonly least_severity?: "info" | "warning" | "critical";
            };
            /**
             * @description Mail addresses, for the kind `email`. Each gets a mail of its own.
             * @example [
             *       "costs@example.com"
             *     ]
             */
            readonly to?: readonly string[];
            /**
             * @description The address of the webhook, for the kinds `slack`, `teams` and `webhook`. It is stored encrypted and never shown. It must begin with https:// and lead to no private network, unless `METERLINE_NOTIFY_ALLOW` names its host.
             * @example https://hooks.example.com/services/EXAMPLE
             */
            readonly url?: string;
        };
        readonly ChannelList: {
            readonly data: readonly components["schemas"]["Channel"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly ChannelTest: {
            /** @description One for each address, with the words of the other side. */
            readonly deliveries: readonly components["schemas"]["Delivery"][];
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly notice_id: string;
        };
        readonly Chargeback: {
            /** @description What belongs to somebody, in percent of all; null if all is zero. */
            readonly allocated_percent: string | null;
            /** @description Null once the month is closed. */
            readonly closable: components["schemas"]["Closable"] | null;
            readonly data: readonly components["schemas"]["ChargebackRow"][];
            readonly group_by: readonly string[];
            /** @description Days of the month that are still to be read. */
            readonly missing_days: number;
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly month: string;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            /** @description Costs in other currencies. No sum in USD contains them. */
            readonly other_currencies: readonly {
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly amount: string;
                readonly currency: string;
            }[];
            /** @description Days of the month that Anthropic may still change. */
            readonly provisional_days: number;
            readonly reopened: components["schemas"]["Reopened"] | null;
            /** @description Which statement of the month it is; null while it is open. */
            readonly revision: number | null;
            /**
             * @description `open` may still change; `closed` stays as it is; `reopened` is an earlier revision.
             * @enum {string}
             */
            readonly state: "open" | "closed" | "reopened";
            /** @description Null while the month is open. */
            readonly statement: components["schemas"]["StatementFacts"] | null;
            /**
             * @description The bill of the month in USD. Amounts add up to `total` + `total_adjustment`.
             * @example 12.3456789
             */
            readonly total: string;
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly total_adjustment: string;
            readonly unallocated: components["schemas"]["Unallocated"];
            /** @description Days of the month that lie in the future, or that no connection covers. */
            readonly uncovered_days: number;
            /** @description The version of the allocation document; null if none is in force, so that nothing is allocated. */
            readonly version: number | null;
        };
        readonly ChargebackLine: {
            /** @description The closed month that this corrects, by its rules; null for a line of the month. */
            readonly adjusts: string | null;
            /**
             * @description `line_amount` × `share`, exact.
             * @example 12.3456789
             */
            readonly amount: string;
            readonly connection: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window: string | null;
            /** @description Null stands for what belongs to nobody. */
            readonly cost_center: string | null;
            readonly cost_type: string | null;
            readonly currency: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day: string;
            readonly description: string | null;
            readonly inference_geo: string | null;
            /**
             * @description The amount of the whole line.
             * @example 12.3456789
             */
            readonly line_amount: string;
            readonly model: string | null;
            /** @description The pool that shares it; null for direct cost. */
            readonly pool: string | null;
            /** @description The rule that decided; null if none matched. */
            readonly rule: {
                readonly name: string;
                /** @description From 1 on. */
                readonly place: number;
            } | null;
            readonly service_tier: string | null;
            /**
             * @description The fraction of it: 1, or the share of the pool.
             * @example 12.3456789
             */
            readonly share: string;
            readonly token_type: string | null;
            /** @description The version of the allocation document; null if none is in force, so that nothing is allocated. */
            readonly version: number | null;
            readonly workspace: {
                readonly id: string | null;
                readonly name: string;
            };
        };
        readonly ChargebackLines: {
            readonly data: readonly components["schemas"]["ChargebackLine"][];
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly month: string;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            /**
             * @description `open` may still change; `closed` stays as it is; `reopened` is an earlier revision.
             * @enum {string}
             */
            readonly state: "open" | "closed" | "reopened";
        };
        readonly ChargebackMonth: {
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly month: string;
            /** @description Null while the month is open. */
            readonly reopenable: components["schemas"]["Reopenable"] | null;
            /** @enum {string} */
            readonly state: "open" | "closed";
            /** @description Every statement of the month, the latest first. */
            readonly statements: readonly components["schemas"]["Statement"][];
        };
        readonly ChargebackMonths: {
            /** @description Every month that has costs, the latest first. */
            readonly data: readonly components["schemas"]["ChargebackMonth"][];
        };
        /** @description Has the fields of `group_by`; a tag is the field `tag.<key>`. */
        readonly ChargebackRow: {
            /**
             * @description Corrections of closed months.
             * @example 12.3456789
             */
            readonly adjustment: string;
            /**
             * @description `direct` + `shared` + `adjustment`.
             * @example 12.3456789
             */
            readonly amount: string;
            readonly connection?: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window?: string | null;
            /** @description Null stands for what belongs to nobody. */
            readonly cost_center?: string | null;
            readonly cost_type?: string | null;
            readonly currency?: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day?: string;
            readonly description?: string | null;
            /**
             * @description What rules give. Of nobody: what no rule took.
             * @example 12.3456789
             */
            readonly direct: string;
            readonly inference_geo?: string | null;
            readonly model?: string | null;
            /** @example 2026-01 */
            readonly month?: string;
            readonly service_tier?: string | null;
            /**
             * @description Shares of pools. Of nobody: what pools without recipients keep.
             * @example 12.3456789
             */
            readonly shared: string;
            readonly token_type?: string | null;
            /**
             * Format: date
             * @description The Monday of a week.
             * @example 2026-01-31
             */
            readonly week?: string;
            /** @description The default workspace has no id. */
            readonly workspace?: {
                readonly id: string | null;
                readonly name: string;
            };
        } & {
            readonly [key: string]: string | null;
        };
        /** @description Whether the month can be closed now. */
        readonly Closable: {
            /** @description Days that are not certain. */
            readonly days: readonly components["schemas"]["UncertainDay"][];
            /** @description Whether an `override` closes it all the same. */
            readonly needs_override: boolean;
            readonly possible: boolean;
            /** @description Why the month cannot be closed, as a sentence; null if it can. */
            readonly why: string | null;
        };
        readonly ClosedMonth: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly at: string;
            /** @description The name of the token that closed it. */
            readonly by: string;
            /** @description What Anthropic's invoice says; null if nobody named it. */
            readonly invoice_amount: string | null;
            /** @description `invoice_amount` − the bill of the month: tax, credits. */
            readonly invoice_difference: string | null;
            /** @description How many lines it keeps. */
            readonly lines: number;
            /** @description Days of the month that are still to be read. */
            readonly missing_days: number;
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly month: string;
            /** @description Why it was closed although days were not certain; null if all were. */
            readonly override: string | null;
            /** @description Days of the month that Anthropic may still change. */
            readonly provisional_days: number;
            readonly reopened: components["schemas"]["Reopened"] | null;
            readonly revision: number;
            /** @description Of its lines; docs/chargeback.md says how to compute it. */
            readonly sha256: string;
            /**
             * @description `open` may still change; `closed` stays as it is; `reopened` is an earlier revision.
             * @enum {string}
             */
            readonly state: "open" | "closed" | "reopened";
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly total: string;
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly total_adjustment: string;
            /** @description Days of the month that lie in the future, or that no connection covers. */
            readonly uncovered_days: number;
            /** @description The version of the allocation document; null if none is in force, so that nothing is allocated. */
            readonly version: number | null;
        };
        readonly Closing: {
            /**
             * @description What Anthropic's invoice says, in USD.
             * @example 1234.56
             */
            readonly invoice_amount?: string;
            /**
             * @description Why the month is closed although days are not certain. The audit shows it. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example The last day is small.
             */
            readonly override?: string;
        };
        /** @description The earlier range, if the query compares. */
        readonly ComparedRange: {
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description Days of the earlier range that are still to be read. */
            readonly missing_days: number;
            /** @description Days of the earlier range that were read and that Anthropic may still change. */
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            /** @description Days of the earlier range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
            readonly uncovered_days: number;
            /** @enum {string} */
            readonly with: "previous" | "month" | "year";
        };
        readonly Connection: {
            /** @description The progress of the backfill. */
            readonly backfill: {
                readonly days_done: number;
                readonly days_total: number;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            /** @description The key that somebody asked to use next. Anthropic has not answered for it yet. */
            readonly candidate: components["schemas"]["Candidate"] | null;
            /** @description The first covered day; null if no day is covered. */
            readonly covered_from: string | null;
            /** @description The last day of the unbroken run of covered days that begins at the first one. */
            readonly covered_through: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description The failure that still holds up the connection. */
            readonly error: components["schemas"]["Failure"] | null;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @description The active key, or the first candidate while there is no active key. */
            readonly key: {
                /**
                 * Format: date-time
                 * @example 2026-01-31T06:12:00.000Z
                 */
                readonly added_at: string;
                /**
                 * @description The last four characters of the key.
                 * @example wxyz
                 */
                readonly hint: string;
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly last_used_at: string | null;
            } | null;
            /** @description The newest sync; null before the first. */
            readonly last_sync: components["schemas"]["Sync"] | null;
            /** @description Days up to today that are still to be read. */
            readonly missing_days: number;
            /**
             * @description What people call it.
             * @example Acme production
             */
            readonly name: string;
            /** @description When Meterline asks Anthropic next without a request from anybody. */
            readonly next_sync_at: string | null;
            /**
             * @description Something worth knowing that is not an error.
             * @example no usage reported yet
             */
            readonly note: string | null;
            /** @description As Anthropic names it; null until it is known. */
            readonly organization: {
                readonly id: string;
                readonly name: string;
            } | null;
            /**
             * @description In `degraded` the last sync failed and is tried again; in `awaiting_key` the connection needs a new key; `refused` and `disconnected` are final.
             * @enum {string}
             */
            readonly status: "validating" | "discovering" | "backfilling" | "active" | "degraded" | "awaiting_key" | "paused" | "refused" | "disconnected";
            readonly temporal: components["schemas"]["Workflow"];
            /** @description What the connection waits for now: within a sync, between two syncs, or for an answer about a key. */
            readonly waiting: components["schemas"]["Waiting"] | null;
        };
        readonly ConnectionList: {
            readonly data: readonly components["schemas"]["Connection"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        /** @description Has the fields of `group_by`; a tag is the field `tag.<key>`. Null stands for a value that Anthropic did not report, and for a tag that the workspace does not have. */
        readonly CostRow: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            /**
             * @description `amount` − `previous`.
             * @example 12.3456789
             */
            readonly change?: string;
            readonly connection?: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window?: string | null;
            readonly cost_type?: string | null;
            readonly currency?: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day?: string;
            readonly description?: string | null;
            readonly inference_geo?: string | null;
            readonly model?: string | null;
            /** @example 2026-01 */
            readonly month?: string;
            /**
             * @description The amount of the earlier range, if the query compares.
             * @example 12.3456789
             */
            readonly previous?: string;
            readonly service_tier?: string | null;
            readonly token_type?: string | null;
            /**
             * Format: date
             * @description The Monday of a week.
             * @example 2026-01-31
             */
            readonly week?: string;
            /** @description The default workspace has no id. */
            readonly workspace?: {
                readonly id: string | null;
                readonly name: string;
            };
        } & {
            readonly [key: string]: string | null;
        };
        readonly Costs: {
            /** @description When the newest of the days was read; null if none was. It differs from page to page exactly if a sync wrote in between: its last digits stand for all days, so compare it as a text. */
            readonly as_of: string | null;
            readonly compare?: components["schemas"]["ComparedRange"];
            readonly data: readonly components["schemas"]["CostRow"][];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description As in the request. */
            readonly group_by: readonly string[];
            /** @description Days of the range that are still to be read. */
            readonly missing_days: number;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            readonly other?: components["schemas"]["OtherCosts"];
            /** @description Costs in other currencies. No sum in USD contains them. */
            readonly other_currencies: readonly {
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly amount: string;
                /**
                 * @description `amount` − `previous`.
                 * @example 12.3456789
                 */
                readonly change?: string;
                readonly currency: string;
                /**
                 * @description The amount of the earlier range, if the query compares.
                 * @example 12.3456789
                 */
                readonly previous?: string;
            }[];
            /** @description Days of the range that were read and that Anthropic may still change. */
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            /**
             * @description In USD, for the whole range and not only this page.
             * @example 12.3456789
             */
            readonly total: string;
            /**
             * @description The amount of the earlier range, if the query compares.
             * @example 12.3456789
             */
            readonly total_previous?: string;
            /** @description Days of the range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
            readonly uncovered_days: number;
        };
        readonly Coverage: {
            /** @description Every day of the range, oldest first. */
            readonly data: readonly components["schemas"]["CoveredDay"][];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description Days of the range that are still to be read. */
            readonly missing_days: number;
            /** @description Days of the range that were read and that Anthropic may still change. */
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            /** @description Days of the range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
            readonly uncovered_days: number;
        };
        /** @description Oldest first; a day without usage has zero lines and is not missing. */
        readonly CoverageList: {
            readonly data: readonly {
                readonly amount: string | null;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /** @description The total that Anthropic reports, if the day is flagged: the total differs from the lines and was confirmed. */
                readonly disagrees_with: string | null;
                readonly lines: number | null;
                readonly read_at: string | null;
                /** @description Whether the lines add up to the total that Anthropic reports. */
                readonly reconciled: boolean;
                /** @enum {string} */
                readonly state: "missing" | "provisional" | "final";
                readonly usage: {
                    /** @description The total that Anthropic reports, if the day is flagged: the total differs from the lines and was confirmed. */
                    readonly disagrees_with: string | null;
                    readonly lines: number | null;
                    readonly read_at: string | null;
                    /** @description Whether the lines add up to the total that Anthropic reports. */
                    readonly reconciled: boolean;
                    /** @enum {string} */
                    readonly state: "missing" | "provisional" | "final";
                    readonly tokens: string | null;
                };
            }[];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            /** @description Days of the range without a row, because they are outside of the connection: before it began, after it ended or after today; every day, once it is purged. */
            readonly uncovered_days: number;
        };
        readonly CoveredDay: {
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day: string;
            /** @description Whether a connection's lines differ from the total that Anthropic reports for them. */
            readonly flagged: boolean;
            /** @description How Anthropic changed the cost of the day after it was complete, in USD, over the connections for which it did; null if it did not. The growth of today is no such change. */
            readonly restated: {
                /**
                 * @description The cost as last restated.
                 * @example 12.3456789
                 */
                readonly after: string;
                /**
                 * Format: date-time
                 * @description When the last restatement was read.
                 * @example 2026-01-31T06:12:00.000Z
                 */
                readonly at: string;
                /**
                 * @description The cost as first read complete.
                 * @example 12.3456789
                 */
                readonly before: string;
                /**
                 * @description `after` − `before`; 0 if lines moved within the day.
                 * @example 12.3456789
                 */
                readonly changed: string;
                /** @description How many restatements there were. */
                readonly times: number;
            } | null;
            /**
             * @description The first of these that holds for any of the connections. `final` holds for all of them.
             * @enum {string}
             */
            readonly state: "missing" | "uncovered" | "provisional" | "final";
        };
        /** @description Every row, under the names that JSON has; the `id` and the `name` of a workspace are `workspace_id` and `workspace_name`. The headers `Meterline-…` have the totals and the counts of days. */
        readonly Csv: string;
        readonly Delivery: {
            /** @description The mail address; null for other kinds of channels. */
            readonly address: string | null;
            readonly channel: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                /** @enum {string} */
                readonly kind: "email" | "slack" | "teams" | "webhook" | "pagerduty";
                readonly name: string;
            };
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            readonly ended_at: string | null;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            readonly next_try_at: string | null;
            readonly notice: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                /** @enum {string} */
                readonly kind: "connected" | "connection_trouble" | "connection_recovered" | "key_rotated" | "day_flagged" | "restated" | "report" | "anomaly" | "budget_threshold" | "test";
                readonly subject: string;
            };
            /**
             * @description Whether it tells that the notice opened, that it closed, or that it was wrong.
             * @enum {string}
             */
            readonly occasion: "opened" | "closed" | "withdrawn";
            /**
             * @description `pending` waits for its next try, `sending` is leaving, `sent` arrived, `failed` did not. Nobody knows whether `unknown` arrived, and it is not sent again by itself. `held` was too old to be sent by itself, as after a database was restored. The last three wait until somebody has them sent again.
             * @enum {string}
             */
            readonly state: "pending" | "sending" | "sent" | "unknown" | "failed" | "held";
            readonly tried_at: string | null;
            readonly tries: number;
            /** @description What the other side said last, or why nothing was sent. */
            readonly words: string | null;
            /** @description The workflow's id in Temporal. */
            readonly workflow_id: string;
        };
        readonly DeliveryList: {
            readonly data: readonly components["schemas"]["Delivery"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly DeploymentEventList: {
            readonly data: readonly {
                /**
                 * @description The name of the token that asked for it; `console` for a session that began with a link, `command` for a command on the server.
                 * @example bootstrap
                 */
                readonly actor: string;
                /**
                 * Format: date-time
                 * @example 2026-01-31T06:12:00.000Z
                 */
                readonly at: string;
                readonly id: number;
                /** @description What happened, as a sentence. */
                readonly message: string;
                /** @enum {string} */
                readonly type: "token_created" | "token_revoked" | "link_created" | "session_begun" | "session_ended" | "session_revoked" | "allocation_stored" | "month_closed" | "month_reopened" | "channel_created" | "channel_changed" | "channel_tested" | "channel_disabled" | "channel_deleted" | "channel_unsubscribed" | "delivery_resent" | "report_created" | "report_changed" | "report_deleted" | "report_run" | "sensitivity_set" | "budget_created" | "budget_changed" | "budget_deleted";
            }[];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly EventList: {
            readonly data: readonly {
                /** @description The name of the token that asked for it; `meterline` if it happened on its own. */
                readonly actor: string;
                /**
                 * Format: date-time
                 * @example 2026-01-31T06:12:00.000Z
                 */
                readonly at: string;
                readonly id: number;
                /** @description What happened, as a sentence. */
                readonly message: string;
                /**
                 * @description The type of the event, in small letters.
                 * @example status
                 */
                readonly type: string;
            }[];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly ExpectedTotal: {
            /**
             * @description and at most this.
             * @example 12.3456789
             */
            readonly high: string;
            /**
             * @description In eight of ten cases it comes to at least this,
             * @example 12.3456789
             */
            readonly low: string;
            /**
             * @description US dollars.
             * @example 12.3456789
             */
            readonly mean: string;
        };
        readonly Failure: {
            /** @description What to do about it, as a sentence. */
            readonly action: string;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly at: string;
            /**
             * @description The stable name of the failure. /docs says what to do about each.
             * @example key_invalid
             * @enum {string}
             */
            readonly code: "key_format" | "key_invalid" | "key_forbidden" | "key_unreadable" | "network_refused" | "organization_disabled" | "individual_account" | "organization_mismatch" | "already_connected" | "rate_limited" | "upstream_unavailable" | "upstream_invalid" | "upstream_refused" | "reply_too_large" | "sync_interrupted" | "key_overtaken" | "invalid_request" | "invalid_allocation" | "unauthorized" | "forbidden" | "foreign_origin" | "not_found" | "method_not_allowed" | "conflict" | "too_large" | "too_many_requests" | "unavailable" | "internal";
            /**
             * Format: uuid
             * @description The connection that holds the organization already, for `already_connected`.
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly connection_id?: string;
            /** @description What is known about this case. */
            readonly detail?: string;
            /** @description What happened, as a sentence. */
            readonly message: string;
            /** @description Anthropic's id of the request that failed. */
            readonly request_id?: string;
        };
        readonly FocusColumn: {
            /** @example BilledCost */
            readonly ColumnName: string;
            /** @enum {string} */
            readonly DataType: "STRING" | "DECIMAL" | "DATETIME" | "JSON";
            /** @constant */
            readonly Deprecated?: true;
            readonly NumberScale?: number;
            readonly NumericPrecision?: number;
            /** @constant */
            readonly StringEncoding?: "UTF-8";
            readonly StringMaxLength?: number;
        };
        readonly FocusMetadata: {
            readonly DataGenerator: {
                readonly DataGenerator: string;
            };
            readonly DatasetInstance: readonly {
                readonly DatasetInstanceId: string;
                readonly DatasetInstanceName: string;
                readonly FocusDatasetId: string;
            }[];
            readonly Recency: readonly {
                /** @description Whether every day of the range was read and is final. */
                readonly DatasetInstanceComplete: boolean;
                readonly DatasetInstanceId: string;
                /** @description When the newest day of the range was read; null if none was. */
                readonly DatasetInstanceLastUpdated: string | null;
                readonly TimeSectors: readonly {
                    readonly TimeSectorComplete: boolean;
                    /**
                     * Format: date-time
                     * @example 2026-11-01T00:00:00Z
                     */
                    readonly TimeSectorEnd: string;
                    readonly TimeSectorLastUpdated: string | null;
                    /**
                     * Format: date-time
                     * @example 2026-11-01T00:00:00Z
                     */
                    readonly TimeSectorStart: string;
                }[];
            }[];
            readonly Schema: readonly {
                /** @description Every column, in the order of the file. */
                readonly ColumnDefinition: readonly components["schemas"]["FocusColumn"][];
                /**
                 * Format: date-time
                 * @example 2026-11-01T00:00:00Z
                 */
                readonly CreationDate: string;
                readonly DataGeneratorVersion: string;
                readonly DatasetInstanceId: string;
                /** @enum {string} */
                readonly FocusVersion: "1.4" | "1.3";
                readonly SchemaId: string;
            }[];
            /** @description What a file replaces, in words. */
            readonly x_Replacement: string;
        };
        readonly Forecast: {
            /** @description How it would have done on the past of this very series. */
            readonly backtest: {
                /** @description The mean error: above zero, it said too much. */
                readonly bias: number;
                /** @description The share of these sums that the band held; 0.8 is promised. */
                readonly coverage: number;
                /** @description The mean absolute error of the sum to come; 0.05 is 5 % of it. */
                readonly error: number;
                /** @description From how many past days the forecast was repeated. */
                readonly origins: number;
            } | null;
            /** @description The last settled day, which is the last one that it knows. */
            readonly basis: string | null;
            readonly data: readonly components["schemas"]["GroupForecast"][];
            /** @description Each day that is read, up to `basis`, as it is, and each later one as it is expected. The means add up to the mean of `total`; lows and highs do not, since errors of days partly cancel. */
            readonly days: readonly {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /**
                 * @description and at most this.
                 * @example 12.3456789
                 */
                readonly high: string;
                /** @enum {string} */
                readonly kind: "actual" | "forecast";
                /**
                 * @description In eight of ten cases it comes to at least this,
                 * @example 12.3456789
                 */
                readonly low: string;
                /**
                 * @description US dollars.
                 * @example 12.3456789
                 */
                readonly mean: string;
            }[];
            /**
             * Format: date
             * @description The first day of this month.
             * @example 2026-01-31
             */
            readonly from: string;
            readonly group_by: readonly string[];
            /** @description Whether more was spent than is read. */
            readonly is_lower_bound: boolean;
            /**
             * @description What forecasts this very series best: a single method, or `combination`. Null if nothing can be said; `reason` says why.
             * @example level_weekday
             */
            readonly method: string | null;
            /** @description Days before today that are not read yet. */
            readonly missing_days: number;
            readonly other?: components["schemas"]["OtherForecast"];
            readonly provisional_days: number;
            readonly reason: string | null;
            /**
             * @description US dollars over every day that is read, provisional ones too.
             * @example 12.3456789
             */
            readonly spent: string;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly through: string;
            /** @description From `from` through `through`, what is spent included. */
            readonly total: components["schemas"]["ExpectedTotal"] | null;
            /** @description Days up to today that no connection covers. */
            readonly uncovered_days: number;
        };
        /** @description A group, largest first. Groups share the total, by what they cost in the last 28 days. */
        readonly GroupForecast: {
            readonly connection?: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window?: string | null;
            readonly cost_type?: string | null;
            readonly currency?: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day?: string;
            /** @description The days after `basis`. */
            readonly days: readonly {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /**
                 * @description and at most this.
                 * @example 12.3456789
                 */
                readonly high: string;
                /**
                 * @description In eight of ten cases it comes to at least this,
                 * @example 12.3456789
                 */
                readonly low: string;
                /**
                 * @description US dollars.
                 * @example 12.3456789
                 */
                readonly mean: string;
            }[];
            readonly description?: string | null;
            readonly inference_geo?: string | null;
            readonly model?: string | null;
            /** @example 2026-01 */
            readonly month?: string;
            readonly service_tier?: string | null;
            /** @description Its part of what is expected after `basis`; 1 is all of it. */
            readonly share: number;
            /**
             * @description Up to `basis`, exactly; the days after it are part of what is expected.
             * @example 12.3456789
             */
            readonly spent: string;
            readonly token_type?: string | null;
            readonly total: components["schemas"]["ExpectedTotal"];
            /**
             * Format: date
             * @description The Monday of a week.
             * @example 2026-01-31
             */
            readonly week?: string;
            /** @description The default workspace has no id. */
            readonly workspace?: {
                readonly id: string | null;
                readonly name: string;
            };
        } & {
            readonly [key: string]: string | null;
        };
        readonly Health: {
            /** @description How many log lines this process has dropped since it started, because nothing took them: a full disk, or a reader that stopped. Absent if there are none. */
            readonly dropped_log_lines?: number;
            /** @constant */
            readonly status: "ok";
        };
        readonly Journal: {
            /** @description Rounded to cents once, by largest remainder. The amounts add up to zero. */
            readonly data: readonly components["schemas"]["JournalEntry"][];
            /**
             * @description A UTC month.
             * @example 2026-01
             */
            readonly month: string;
            /**
             * @description `open` may still change; `closed` stays as it is; `reopened` is an earlier revision.
             * @enum {string}
             */
            readonly state: "open" | "closed" | "reopened";
            /**
             * @description The debits of `cost` and `adjustment`: `total` + `total_adjustment` in cents.
             * @example 12.3456789
             */
            readonly total: string;
        };
        readonly JournalEntry: {
            /**
             * @description In cents: above zero is a debit, below zero a credit.
             * @example 12.3456789
             */
            readonly amount: string;
            /** @description Null stands for what belongs to nobody. */
            readonly cost_center: string | null;
            readonly credit: string | null;
            readonly debit: string | null;
            /**
             * @description `cost` of the month and `adjustment` of closed months by cost center; `bill` is what they are set against.
             * @enum {string}
             */
            readonly entry: "cost" | "adjustment" | "bill";
        };
        readonly Key: {
            readonly activated_at: string | null;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly added_at: string;
            /** @description Why it was destroyed. */
            readonly end_reason: ("replaced" | "overtaken" | "unused" | "discarded" | "connection_ended") | null;
            readonly ended_at: string | null;
            /** @description How its last try failed, or why it was refused. */
            readonly error: components["schemas"]["Failure"] | null;
            /** @description When a candidate is destroyed if nobody asks to use it before. */
            readonly expires_at: string | null;
            /**
             * @description The last four characters of the key.
             * @example wxyz
             */
            readonly hint: string;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            readonly last_used_at: string | null;
            readonly next_try_at: string | null;
            /** @description When somebody asked to use it. */
            readonly requested_at: string | null;
            /** @description The signal that asks to use a candidate. */
            readonly signal: {
                readonly input: {
                    /**
                     * Format: uuid
                     * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                     */
                    readonly keyId: string;
                };
                /** @constant */
                readonly name: "rotateKey";
                /**
                 * @description The workflow's id in Temporal.
                 * @example connection-0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly workflow_id: string;
            } | null;
            /** @enum {string} */
            readonly state: "candidate" | "active" | "superseded" | "refused" | "destroyed";
        };
        readonly KeyList: {
            readonly data: readonly components["schemas"]["Key"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        /** @description What it told last. */
        readonly LastReport: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly at: string;
            /** @description Null if the notice was deleted since. */
            readonly notice_id: string | null;
            readonly period: {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
        } | null;
        readonly MadeToken: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description The name of the token that created it; `console` for a session that began with a link, `command` for a command on the server. */
            readonly created_by: string;
            /** @description Null: it never expires. */
            readonly expires_at: string | null;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @description To the minute. */
            readonly last_used_at: string | null;
            /** @example grafana */
            readonly name: string;
            /** @description Null: it is not revoked. */
            readonly revoked_at: string | null;
            /** @description The name of the token that revoked it. */
            readonly revoked_by: string | null;
            /** @enum {string} */
            readonly role: "admin" | "viewer";
            /**
             * Format: password
             * @description Shown only once.
             */
            readonly token: string;
        };
        readonly NewAllocation: {
            /**
             * @description The first month in which it is in force.
             * @example 2026-01
             */
            readonly from: string;
            /** @description In their order. A pool shares with cost centers and with later pools. */
            readonly pools?: readonly components["schemas"]["AllocationPool"][];
            /**
             * @description In their order. The first rule that matches a line decides.
             * @example [
             *       {
             *         "name": "By team",
             *         "where": {},
             *         "to": {
             *           "tag": "team"
             *         }
             *       }
             *     ]
             */
            readonly rules: readonly components["schemas"]["AllocationRule"][];
        };
        readonly NewBudget: {
            /**
             * @description What may be spent in each period, in US dollars.
             * @example 10000
             */
            readonly amount: string;
            /** @description The channels that are told, by their ids. None stands for all that take such notices. */
            readonly channels?: readonly string[];
            /**
             * @description A cost center of the chargeback, in place of filters. What it is charged counts, without adjustments. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example platform
             */
            readonly cost_center?: string;
            /** @description The filters of `GET /v1/costs` by the names of its parameters, each a text or a list of texts: `connection_id`, `workspace`, `model` and so on, `tag.<key>`, and each with `not.` before it. Several values are alternatives; an empty text stands for what Anthropic did not report. */
            readonly filters?: {
                readonly connection_id?: string | readonly string[];
                readonly context_window?: string | readonly string[];
                readonly cost_type?: string | readonly string[];
                readonly currency?: string | readonly string[];
                readonly description?: string | readonly string[];
                readonly inference_geo?: string | readonly string[];
                readonly model?: string | readonly string[];
                readonly "not.connection_id"?: string | readonly string[];
                readonly "not.context_window"?: string | readonly string[];
                readonly "not.cost_type"?: string | readonly string[];
                readonly "not.currency"?: string | readonly string[];
                readonly "not.description"?: string | readonly string[];
                readonly "not.inference_geo"?: string | readonly string[];
                readonly "not.model"?: string | readonly string[];
                readonly "not.service_tier"?: string | readonly string[];
                readonly "not.token_type"?: string | readonly string[];
                readonly "not.workspace"?: string | readonly string[];
                readonly service_tier?: string | readonly string[];
                readonly token_type?: string | readonly string[];
                readonly workspace?: string | readonly string[];
            } & {
                readonly [key: string]: string | readonly string[];
            };
            /**
             * @description What people call the budget. No two budgets have the same name. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Platform team
             */
            readonly name: string;
            /**
             * @description A UTC month, quarter or year, which recurs, or the days from `from` to `to`.
             * @example month
             */
            readonly period: ("month" | "quarter" | "year") | {
                /**
                 * Format: date
                 * @description A UTC day, inclusive.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day, inclusive.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
            /**
             * @description When to tell. Each tells once in a period.
             * @example [
             *       {
             *         "of": "actual",
             *         "percent": "80"
             *       }
             *     ]
             */
            readonly thresholds: readonly ({
                /**
                 * @description `actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.
                 * @enum {string}
                 */
                readonly of: "actual" | "forecast";
                /**
                 * @description Of the amount of the budget.
                 * @example 80
                 */
                readonly percent: string;
            } | {
                /**
                 * @description `actual` is what is spent, provisional days included; `forecast` is what the period is expected to come to.
                 * @enum {string}
                 */
                readonly of: "actual" | "forecast";
                /**
                 * @description US dollars.
                 * @example 500
                 */
                readonly usd: string;
            })[];
        };
        readonly NewChannel: {
            /**
             * @description Decides which of the other fields it needs: `email` needs `to`, `slack` and `teams` need `url`, `webhook` needs `url` and `secret`, `pagerduty` needs `routing_key` and takes `region`.
             * @example email
             * @enum {string}
             */
            readonly kind: "email" | "slack" | "teams" | "webhook" | "pagerduty";
            /**
             * @description What people call the channel. No two channels have the same name. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Costs team
             */
            readonly name: string;
            /**
             * @description The service region of the account, for the kind `pagerduty`: `us` unless you say `eu`. An account in Europe has addresses with `eu.pagerduty.com`.
             * @example eu
             * @enum {string}
             */
            readonly region?: "us" | "eu";
            /**
             * Format: password
             * @description The integration key of a service with Events API v2, for the kind `pagerduty`.
             * @example EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0
             */
            readonly routing_key?: string;
            /**
             * Format: password
             * @description The secret that signs each request (Standard Webhooks), for the kind `webhook`. A changed secret signs beside the one before, so that the receiver can change over.
             * @example whsec_RVhBTVBMRS10aGlzLWlzLW5vdC1hLXNlY3JldC4uLg==
             */
            readonly secret?: string;
            /**
             * @description Which notices the channel takes: those that all given parts let through. Without it, all.
             * @example {
             *       "kinds": [
             *         "connection_trouble",
             *         "connection_recovered"
             *       ],
             *       "least_severity": "info"
             *     }
             */
            readonly subscriptions?: {
                /** @description Only notices about these connections. */
                readonly connections?: readonly string[];
                /** @description Only notices of these kinds. Without it, of all kinds. */
                readonly kinds?: readonly ("connected" | "connection_trouble" | "connection_recovered" | "key_rotated" | "day_flagged" | "restated" | "report" | "anomaly" | "budget_threshold" | "test")[];
                /**
                 * @description Only notices that are at least so urgent.
                 * @enum {string}
                 */
                readonly least_severity?: "info" | "warning" | "critical";
            };
            /**
             * @description Mail addresses, for the kind `email`. Each gets a mail of its own.
             * @example [
             *       "costs@example.com"
             *     ]
             */
            readonly to?: readonly string[];
            /**
             * @description The address of the webhook, for the kinds `slack`, `teams` and `webhook`. It is stored encrypted and never shown. It must begin with https:// and lead to no private network, unless `METERLINE_NOTIFY_ALLOW` names its host.
             * @example https://hooks.example.com/services/EXAMPLE
             */
            readonly url?: string;
        };
        readonly NewConnection: {
            /**
             * Format: password
             * @description A whole Anthropic Admin API key (`sk-ant-admin…`). It is never shown again.
             * @example sk-ant-admin01-EXAMPLE-this-is-not-a-real-key
             */
            readonly admin_api_key: string;
            /**
             * @description How many days to read at first, today included. Without it, 31.
             * @example 31
             */
            readonly backfill_days?: number;
            /**
             * @description What people call the connection. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Acme production
             */
            readonly name: string;
        };
        readonly NewKey: {
            /**
             * Format: password
             * @description A whole Anthropic Admin API key (`sk-ant-admin…`). It is never shown again.
             * @example sk-ant-admin01-EXAMPLE-this-is-not-a-real-key
             */
            readonly admin_api_key: string;
        };
        readonly NewReport: {
            /** @description The channels that it goes to, whatever they subscribe to. Null, or nothing, stands for every channel that takes the kind `report`. */
            readonly channels?: readonly string[] | null;
            /**
             * @description `daily` tells the day before, `weekly` on Mondays the last week from Monday to Sunday, `monthly` on the first the last month: by the calendar of the time zone. The days are those of the ledger, which are in UTC.
             * @example weekly
             * @enum {string}
             */
            readonly every: "daily" | "weekly" | "monthly";
            /**
             * @description The hour in the time zone at which it is told.
             * @example 8
             */
            readonly hour: number;
            /**
             * @description What people call the report. No two reports have the same name. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Weekly costs by team
             */
            readonly name: string;
            /** @description The filters of `GET /v1/costs` by the names of its parameters, each a text or a list of texts: `connection_id`, `workspace`, `model` and so on, `tag.<key>`, and each with `not.` before it. Several values are alternatives; an empty text stands for what Anthropic did not report. Also `group_by`: at most 2 dimensions or tags, model without it. */
            readonly query?: {
                readonly connection_id?: string | readonly string[];
                readonly context_window?: string | readonly string[];
                readonly cost_type?: string | readonly string[];
                readonly currency?: string | readonly string[];
                readonly description?: string | readonly string[];
                readonly group_by?: string | readonly string[];
                readonly inference_geo?: string | readonly string[];
                readonly model?: string | readonly string[];
                readonly "not.connection_id"?: string | readonly string[];
                readonly "not.context_window"?: string | readonly string[];
                readonly "not.cost_type"?: string | readonly string[];
                readonly "not.currency"?: string | readonly string[];
                readonly "not.description"?: string | readonly string[];
                readonly "not.inference_geo"?: string | readonly string[];
                readonly "not.model"?: string | readonly string[];
                readonly "not.service_tier"?: string | readonly string[];
                readonly "not.token_type"?: string | readonly string[];
                readonly "not.workspace"?: string | readonly string[];
                readonly service_tier?: string | readonly string[];
                readonly token_type?: string | readonly string[];
                readonly workspace?: string | readonly string[];
            } & {
                readonly [key: string]: string | readonly string[];
            };
            /**
             * @description The name of a time zone of the IANA database.
             * @example Europe/Berlin
             */
            readonly time_zone: string;
        };
        readonly NewSession: {
            /**
             * Format: password
             * @description A token of this API, or the part of a link after `/#/enter/`.
             * @example meterline_EXAMPLE-this-is-not-a-real-token
             */
            readonly token: string;
        };
        readonly NewToken: {
            /**
             * Format: date-time
             * @description An instant in the future (RFC 3339). Without it, the new token expires with the token that creates it, or never.
             * @example 2199-01-31T06:12:00Z
             */
            readonly expires_at?: string;
            /**
             * @description The name that events show for whoever uses this token. Unique among tokens that are not revoked.
             * @example grafana
             */
            readonly name: string;
            /**
             * @description An `admin` does everything, a `viewer` only reads.
             * @example viewer
             * @enum {string}
             */
            readonly role: "admin" | "viewer";
        };
        readonly Notice: {
            /** @description What to do; null if there is nothing to do. */
            readonly action: string | null;
            readonly closed_at: string | null;
            /** @description Null for a notice that is about no connection. */
            readonly connection_id: string | null;
            /** @description The exact facts, as webhooks carry them. */
            readonly data: unknown;
            /** @description How many addresses have it, how many wait for it, and how many need a person. */
            readonly deliveries: {
                readonly attention: number;
                readonly sent: number;
                readonly waiting: number;
            };
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @enum {string} */
            readonly kind: "connected" | "connection_trouble" | "connection_recovered" | "key_rotated" | "day_flagged" | "restated" | "report" | "anomaly" | "budget_threshold" | "test";
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly opened_at: string;
            /** @description What happened. */
            readonly sentence: string;
            /** @enum {string} */
            readonly severity: "info" | "warning" | "critical";
            /** @enum {string} */
            readonly state: "open" | "closed" | "withdrawn";
            readonly subject: string;
            readonly withdrawn_at: string | null;
            /** @description Why it was wrong, if it was. */
            readonly withdrawn_reason: string | null;
        };
        readonly NoticeList: {
            readonly data: readonly components["schemas"]["Notice"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        /** @description With `order=-amount`: the rows that are not in `data`, in USD. With them, the rows add up to `total`. */
        readonly OtherChanges: {
            /**
             * @description The amount of the range.
             * @example 12.3456789
             */
            readonly after: string;
            /**
             * @description The amount of the earlier range.
             * @example 12.3456789
             */
            readonly before: string;
            /**
             * @description `after` − `before`; `volume`, `mix`, `price` and `unmatched` add up to it exactly.
             * @example 12.3456789
             */
            readonly change: string;
            /**
             * @description Tokens moved between models, workspaces and so on; also what came and went.
             * @example 12.3456789
             */
            readonly mix: string;
            /**
             * @description The same tokens cost more or less than before.
             * @example 12.3456789
             */
            readonly price: string;
            /** @description How many rows are not in `data`. */
            readonly rows: number;
            /**
             * @description Costs without tokens, such as web searches.
             * @example 12.3456789
             */
            readonly unmatched: string;
            /**
             * @description What as many tokens more or less would have cost at the mix and the prices of before.
             * @example 12.3456789
             */
            readonly volume: string;
        };
        /** @description With `order=-amount`: the rows that are not in `data`, in USD. With them, the rows add up to `total`. */
        readonly OtherCosts: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            /**
             * @description `amount` − `previous`.
             * @example 12.3456789
             */
            readonly change?: string;
            /**
             * @description The amount of the earlier range, if the query compares.
             * @example 12.3456789
             */
            readonly previous?: string;
            /** @description How many rows are not in `data`. */
            readonly rows: number;
        };
        /** @description The groups beyond `limit`. With them, the groups add up to `total`. */
        readonly OtherForecast: {
            /** @description The days after `basis`. */
            readonly days: readonly {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                /**
                 * @description and at most this.
                 * @example 12.3456789
                 */
                readonly high: string;
                /**
                 * @description In eight of ten cases it comes to at least this,
                 * @example 12.3456789
                 */
                readonly low: string;
                /**
                 * @description US dollars.
                 * @example 12.3456789
                 */
                readonly mean: string;
            }[];
            readonly groups: number;
            /** @description Its part of what is expected after `basis`; 1 is all of it. */
            readonly share: number;
            /**
             * @description Up to `basis`, exactly; the days after it are part of what is expected.
             * @example 12.3456789
             */
            readonly spent: string;
            readonly total: components["schemas"]["ExpectedTotal"];
        };
        /** @description With `order=-amount`: the rows that are not in `data`, in USD. With them, the rows add up to `total`. */
        readonly OtherUnitCosts: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            /** @description What billed tokens of the batch tier saved against the price of the standard tier. Null if that price was not billed in USD in the month. */
            readonly batch_savings?: string | null;
            /** @description Why there are no savings: the price of the standard tier was not billed in USD in the month, or the row is in another currency. */
            readonly batch_savings_reason?: ("no_price" | "other_currency") | null;
            /** @description The tokens read from the cache, divided by all input tokens: read, written and uncached. Null without any. */
            readonly cache_hit_rate?: string | null;
            /** @description Why there is no rate: the row has no input tokens. */
            readonly cache_hit_rate_reason?: "no_input_tokens" | null;
            /** @description What billed cache reads saved against the price of uncached tokens, less what billed cache writes cost beyond it. Null if that price was not billed in USD in the month. */
            readonly cache_savings?: string | null;
            /** @description Why there are no savings: the price of uncached tokens was not billed in USD in the month, or the row is in another currency. */
            readonly cache_savings_reason?: ("no_price" | "other_currency") | null;
            /** @description Why there is no price: the row has no tokens, none of them was billed, or they were billed in another currency. */
            readonly reason: ("no_tokens" | "not_billed" | "other_currency") | null;
            /** @description How many rows are not in `data`. */
            readonly rows: number;
            /**
             * @description A whole number as text, since JavaScript rounds numbers beyond 2^53.
             * @example 23001293181
             */
            readonly tokens: string;
            /**
             * @description The part of `amount` that no counted tokens belong to, such as web searches.
             * @example 12.3456789
             */
            readonly unmatched_amount: string;
            /**
             * @description The part of `tokens` that was not billed, such as those of the priority tier.
             * @example 23001293181
             */
            readonly unpriced_tokens: string;
            /** @description What a million of the tokens that were billed cost. */
            readonly usd_per_million: string | null;
        };
        readonly PreviewedAllocation: {
            /**
             * @description The first month in which it is in force.
             * @example 2026-01
             */
            readonly from?: string;
            /**
             * @description The month to try it on. It must be open.
             * @example 2026-01
             */
            readonly month: string;
            /** @description In their order. A pool shares with cost centers and with later pools. */
            readonly pools?: readonly components["schemas"]["AllocationPool"][];
            /**
             * @description In their order. The first rule that matches a line decides.
             * @example [
             *       {
             *         "name": "By team",
             *         "where": {},
             *         "to": {
             *           "tag": "team"
             *         }
             *       }
             *     ]
             */
            readonly rules: readonly components["schemas"]["AllocationRule"][];
        };
        readonly PreviewPool: {
            /**
             * @description What rules give to the pool, without what it gets from earlier pools.
             * @example 12.3456789
             */
            readonly amount: string;
            readonly pool: string;
            /** @description The fractions of the cost centers, through later pools. They add up to 1. */
            readonly shares: readonly {
                /** @description Null stands for what belongs to nobody. */
                readonly cost_center: string | null;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly share: string;
            }[];
        };
        readonly PreviewRow: {
            /**
             * @description By the document of the request, in USD.
             * @example 12.3456789
             */
            readonly after: string;
            /**
             * @description By the document that is in force, in USD.
             * @example 12.3456789
             */
            readonly before: string;
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly change: string;
            /** @description Null stands for what belongs to nobody. */
            readonly cost_center: string | null;
        };
        readonly Problem: {
            /** @description What to do about it. */
            readonly action: string;
            /** @description Anthropic's id of the request that it refused. */
            readonly anthropic_request_id?: string;
            /**
             * @description The stable name of the failure. /docs says what to do about each.
             * @example key_invalid
             * @enum {string}
             */
            readonly code: "key_format" | "key_invalid" | "key_forbidden" | "key_unreadable" | "network_refused" | "organization_disabled" | "individual_account" | "organization_mismatch" | "already_connected" | "rate_limited" | "upstream_unavailable" | "upstream_invalid" | "upstream_refused" | "reply_too_large" | "sync_interrupted" | "key_overtaken" | "invalid_request" | "invalid_allocation" | "unauthorized" | "forbidden" | "foreign_origin" | "not_found" | "method_not_allowed" | "conflict" | "too_large" | "too_many_requests" | "unavailable" | "internal";
            /**
             * Format: uuid
             * @description The connection that this is about, or that is in the way.
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly connection_id?: string;
            /** @description What is known about this case. */
            readonly detail: string;
            /** @description Everything that is wrong with the request, and where it is. */
            readonly errors?: readonly components["schemas"]["RequestError"][];
            /**
             * Format: uuid
             * @description The connection that was not made. Its events can be read.
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly refused_connection_id?: string;
            /**
             * Format: uuid
             * @description The id of this request in the log of the API.
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly request_id?: string;
            readonly status: number;
            /** @description What happened, as a sentence. */
            readonly title: string;
            /**
             * Format: uri-reference
             * @description The address of the explanation of this code, beside this API.
             * @example /docs#invalid_request
             */
            readonly type: string;
        } & {
            readonly [key: string]: unknown;
        };
        readonly Readiness: {
            /** @constant */
            readonly postgres: "ok";
            /** @constant */
            readonly status: "ready";
            /** @constant */
            readonly temporal: "ok";
        };
        readonly Renaming: {
            /**
             * @description What people call the connection. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Acme production
             */
            readonly name: string;
        };
        readonly Reopenable: {
            readonly possible: boolean;
            /** @description Why the month cannot be opened again, as a sentence; null if it can. */
            readonly why: string | null;
        };
        /** @description How the month was opened again. */
        readonly Reopened: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly at: string;
            readonly by: string;
            readonly reason: string;
        };
        readonly Reopening: {
            /**
             * @description Why. The audit shows it. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example A late correction belongs into this month.
             */
            readonly reason: string;
        };
        readonly Report: {
            /** @description What keeps the report from being told, in words: every channel of it is gone, or its query has no meaning any more. Null if nothing does. */
            readonly attention: string | null;
            /** @description Null stands for every channel that takes reports. A channel that was deleted since stays listed. */
            readonly channels: readonly string[] | null;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description The name of the token that made it. */
            readonly created_by: string;
            /** @enum {string} */
            readonly every: "daily" | "weekly" | "monthly";
            readonly hour: number;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            readonly last: components["schemas"]["LastReport"];
            /** @example Weekly costs by team */
            readonly name: string;
            readonly query: components["schemas"]["StoredQuery"];
            readonly schedule: components["schemas"]["ReportSchedule"];
            readonly temporal: components["schemas"]["ScheduleInTemporal"];
            /** @example Europe/Berlin */
            readonly time_zone: string;
            /** @description Filters by a connection that does not exist any more, or that has a newer one of the same organization beside it. */
            readonly warnings: readonly {
                /** @description A sentence without its full stop. */
                readonly message: string;
                readonly path: string;
            }[];
        };
        readonly ReportChange: {
            /** @description The channels that it goes to, whatever they subscribe to. Null, or nothing, stands for every channel that takes the kind `report`. */
            readonly channels?: readonly string[] | null;
            /**
             * @description `daily` tells the day before, `weekly` on Mondays the last week from Monday to Sunday, `monthly` on the first the last month: by the calendar of the time zone. The days are those of the ledger, which are in UTC.
             * @example weekly
             * @enum {string}
             */
            readonly every?: "daily" | "weekly" | "monthly";
            /**
             * @description The hour in the time zone at which it is told.
             * @example 8
             */
            readonly hour?: number;
            /**
             * @description What people call the report. No two reports have the same name. Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (`sk-ant-…`) or a token of this API (`meterline_…`).
             * @example Weekly costs by team
             */
            readonly name?: string;
            /** @description The filters of `GET /v1/costs` by the names of its parameters, each a text or a list of texts: `connection_id`, `workspace`, `model` and so on, `tag.<key>`, and each with `not.` before it. Several values are alternatives; an empty text stands for what Anthropic did not report. Also `group_by`: at most 2 dimensions or tags, model without it. */
            readonly query?: {
                readonly connection_id?: string | readonly string[];
                readonly context_window?: string | readonly string[];
                readonly cost_type?: string | readonly string[];
                readonly currency?: string | readonly string[];
                readonly description?: string | readonly string[];
                readonly group_by?: string | readonly string[];
                readonly inference_geo?: string | readonly string[];
                readonly model?: string | readonly string[];
                readonly "not.connection_id"?: string | readonly string[];
                readonly "not.context_window"?: string | readonly string[];
                readonly "not.cost_type"?: string | readonly string[];
                readonly "not.currency"?: string | readonly string[];
                readonly "not.description"?: string | readonly string[];
                readonly "not.inference_geo"?: string | readonly string[];
                readonly "not.model"?: string | readonly string[];
                readonly "not.service_tier"?: string | readonly string[];
                readonly "not.token_type"?: string | readonly string[];
                readonly "not.workspace"?: string | readonly string[];
                readonly service_tier?: string | readonly string[];
                readonly token_type?: string | readonly string[];
                readonly workspace?: string | readonly string[];
            } & {
                readonly [key: string]: string | readonly string[];
            };
            /**
             * @description The name of a time zone of the IANA database.
             * @example Europe/Berlin
             */
            readonly time_zone?: string;
        };
        readonly ReportList: {
            readonly data: readonly components["schemas"]["Report"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly ReportRun: {
            /** @description One for each address. */
            readonly deliveries: readonly components["schemas"]["Delivery"][];
            readonly notice: components["schemas"]["Notice"];
            readonly period: {
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly from: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly to: string;
            };
        };
        /** @description Its Schedule in Temporal, which people trigger, pause and resume in the Temporal UI. Null while Temporal does not answer, and until a worker has made the Schedule. */
        readonly ReportSchedule: {
            readonly id: string;
            /** @description Null while it is paused. */
            readonly next_run_at: string | null;
            readonly paused: boolean;
        } | null;
        readonly RequestError: {
            /**
             * @description What is wrong there.
             * @example must not be empty
             */
            readonly message: string;
            /**
             * @description Where in the request.
             * @example body.name
             */
            readonly path: string;
        };
        /** @description `before` and `after` are USD for cost, and tokens for usage. */
        readonly RestatementList: {
            readonly data: readonly {
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly after: string;
                /**
                 * Format: date-time
                 * @example 2026-01-31T06:12:00.000Z
                 */
                readonly at: string;
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly before: string;
                /**
                 * Format: date
                 * @description A UTC day.
                 * @example 2026-01-31
                 */
                readonly day: string;
                readonly id: number;
                readonly lines_added: number;
                readonly lines_changed: number;
                readonly lines_removed: number;
                /** @enum {string} */
                readonly report: "cost" | "usage";
                /** @description The number of the sync that found it. */
                readonly sync: number;
            }[];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly ScheduleInTemporal: {
            readonly schedule_id: string;
            /** @description The address of the Schedule in Temporal's UI; null if the API does not know that UI. */
            readonly url: string | null;
        };
        readonly Session: {
            /** @enum {string} */
            readonly begun_with: "link" | "token";
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description Whether this request belongs to it. */
            readonly current: boolean;
            /**
             * Format: date-time
             * @description When it ends at the latest: after 7 days, or with its token. It ends 12 hours after the last request, too.
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly expires_at: string;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /**
             * Format: date-time
             * @description To the minute.
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly last_seen_at: string;
            /**
             * @description The name that events show: that of its token, or `console` for a link.
             * @example console
             */
            readonly name: string;
            /** @enum {string} */
            readonly role: "admin" | "viewer";
            /** @description The token that it began with. Null for a link and for `METERLINE_API_TOKEN`. */
            readonly token_id: string | null;
        };
        readonly SessionList: {
            readonly data: readonly components["schemas"]["Session"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly Statement: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly at: string;
            /** @description The name of the token that closed it. */
            readonly by: string;
            /** @description What Anthropic's invoice says; null if nobody named it. */
            readonly invoice_amount: string | null;
            /** @description `invoice_amount` − the bill of the month: tax, credits. */
            readonly invoice_difference: string | null;
            /** @description How many lines it keeps. */
            readonly lines: number;
            /** @description Days of the month that are still to be read. */
            readonly missing_days: number;
            /** @description Why it was closed although days were not certain; null if all were. */
            readonly override: string | null;
            /** @description Days of the month that Anthropic may still change. */
            readonly provisional_days: number;
            readonly reopened: components["schemas"]["Reopened"] | null;
            readonly revision: number;
            /** @description Of its lines; docs/chargeback.md says how to compute it. */
            readonly sha256: string;
            /**
             * @description `open` may still change; `closed` stays as it is; `reopened` is an earlier revision.
             * @enum {string}
             */
            readonly state: "open" | "closed" | "reopened";
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly total: string;
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly total_adjustment: string;
            /** @description Days of the month that lie in the future, or that no connection covers. */
            readonly uncovered_days: number;
            /** @description The version of the allocation document; null if none is in force, so that nothing is allocated. */
            readonly version: number | null;
        };
        readonly StatementFacts: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly at: string;
            /** @description The name of the token that closed it. */
            readonly by: string;
            /** @description What Anthropic's invoice says; null if nobody named it. */
            readonly invoice_amount: string | null;
            /** @description `invoice_amount` − the bill of the month: tax, credits. */
            readonly invoice_difference: string | null;
            /** @description How many lines it keeps. */
            readonly lines: number;
            /** @description Why it was closed although days were not certain; null if all were. */
            readonly override: string | null;
            /** @description Of its lines; docs/chargeback.md says how to compute it. */
            readonly sha256: string;
        };
        /**
         * @description The parameters of `GET /v1/costs` by their names, each as a list.
         * @example {
         *       "group_by": [
         *         "model"
         *       ],
         *       "workspace": [
         *         "default"
         *       ]
         *     }
         */
        readonly StoredQuery: {
            readonly [key: string]: readonly string[];
        };
        readonly Sync: {
            /** @description Bytes of the replies, as Anthropic sent them. */
            readonly bytes: number;
            /** @description How many of these days differ from the lines stored before. */
            readonly days_changed: number;
            /** @description How many days the sync read, each once, whichever report and run of it read them. */
            readonly days_read: number;
            readonly duration_ms: number | null;
            /** @description Null while it runs. */
            readonly ended_at: string | null;
            /** @description Why it failed; null unless it did. */
            readonly error: components["schemas"]["Failure"] | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /**
             * @description Why it runs.
             * @enum {string}
             */
            readonly kind: "backfill" | "daily" | "catch_up" | "manual";
            /** @description The number of the sync, counted per connection. */
            readonly n: number;
            /** @description Requests sent to Anthropic. */
            readonly requests: number;
            /** @description The run's id in Temporal. */
            readonly run_id: string;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly started_at: string;
            /** @enum {string} */
            readonly state: "running" | "succeeded" | "failed";
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            /** @description The address of this workflow in Temporal's UI; null if the API does not know that UI. */
            readonly url: string | null;
            /** @description What it waits for now, while it runs. */
            readonly waiting: components["schemas"]["Waiting"] | null;
            /**
             * @description The workflow's id in Temporal.
             * @example connection-0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly workflow_id: string;
        };
        readonly SyncList: {
            readonly data: readonly components["schemas"]["Sync"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        /** @description Both days, or neither. With neither, the sync reads the missing days and the last 31 days. */
        readonly SyncRequest: {
            /**
             * Format: date
             * @description The first day to read again; with `to`.
             * @example 2026-01-31
             */
            readonly from?: string;
            /**
             * Format: date
             * @description The last day to read again; with `from`.
             * @example 2026-01-31
             */
            readonly to?: string;
        };
        readonly Token: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly created_at: string;
            /** @description The name of the token that created it; `console` for a session that began with a link, `command` for a command on the server. */
            readonly created_by: string;
            /** @description Null: it never expires. */
            readonly expires_at: string | null;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly id: string;
            /** @description To the minute. */
            readonly last_used_at: string | null;
            /** @example grafana */
            readonly name: string;
            /** @description Null: it is not revoked. */
            readonly revoked_at: string | null;
            /** @description The name of the token that revoked it. */
            readonly revoked_by: string | null;
            /** @enum {string} */
            readonly role: "admin" | "viewer";
        };
        readonly TokenList: {
            readonly data: readonly components["schemas"]["Token"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
        readonly Unallocated: {
            /**
             * @description What belongs to nobody: the rows whose `cost_center` is null.
             * @example 12.3456789
             */
            readonly amount: string;
            /** @description At most ten groups, the largest first. */
            readonly largest: readonly components["schemas"]["UnallocatedGroup"][];
        };
        readonly UnallocatedGroup: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            readonly cost_type: string | null;
            readonly model: string | null;
            readonly pool: string | null;
            /** @enum {string} */
            readonly why: "no_rule" | "pool_without_recipients";
            readonly workspace: {
                readonly id: string | null;
                readonly name: string;
            };
        };
        readonly UncertainDay: {
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day: string;
            /** @description Whether the lines differ from the total that Anthropic reports. */
            readonly flagged: boolean;
            /** @enum {string} */
            readonly state: "missing" | "uncovered" | "provisional";
        };
        /** @description Of all rows in USD, and not only of this page. */
        readonly UnitCost: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            /** @description What billed tokens of the batch tier saved against the price of the standard tier. Null if that price was not billed in USD in the month. */
            readonly batch_savings?: string | null;
            /** @description Why there are no savings: the price of the standard tier was not billed in USD in the month, or the row is in another currency. */
            readonly batch_savings_reason?: ("no_price" | "other_currency") | null;
            /** @description The tokens read from the cache, divided by all input tokens: read, written and uncached. Null without any. */
            readonly cache_hit_rate?: string | null;
            /** @description Why there is no rate: the row has no input tokens. */
            readonly cache_hit_rate_reason?: "no_input_tokens" | null;
            /** @description What billed cache reads saved against the price of uncached tokens, less what billed cache writes cost beyond it. Null if that price was not billed in USD in the month. */
            readonly cache_savings?: string | null;
            /** @description Why there are no savings: the price of uncached tokens was not billed in USD in the month, or the row is in another currency. */
            readonly cache_savings_reason?: ("no_price" | "other_currency") | null;
            /** @description Why there is no price: the row has no tokens, none of them was billed, or they were billed in another currency. */
            readonly reason: ("no_tokens" | "not_billed" | "other_currency") | null;
            /**
             * @description A whole number as text, since JavaScript rounds numbers beyond 2^53.
             * @example 23001293181
             */
            readonly tokens: string;
            /**
             * @description The part of `amount` that no counted tokens belong to, such as web searches.
             * @example 12.3456789
             */
            readonly unmatched_amount: string;
            /**
             * @description The part of `tokens` that was not billed, such as those of the priority tier.
             * @example 23001293181
             */
            readonly unpriced_tokens: string;
            /** @description What a million of the tokens that were billed cost. */
            readonly usd_per_million: string | null;
        };
        /** @description Has the fields of `group_by`; a tag is the field `tag.<key>`. Null stands for a value that Anthropic did not report, and for a tag that the workspace does not have. */
        readonly UnitCostRow: {
            /**
             * @description An exact decimal in major units.
             * @example 12.3456789
             */
            readonly amount: string;
            /** @description What billed tokens of the batch tier saved against the price of the standard tier. Null if that price was not billed in USD in the month. */
            readonly batch_savings?: string | null;
            /** @description Why there are no savings: the price of the standard tier was not billed in USD in the month, or the row is in another currency. */
            readonly batch_savings_reason?: ("no_price" | "other_currency") | null;
            /** @description The tokens read from the cache, divided by all input tokens: read, written and uncached. Null without any. */
            readonly cache_hit_rate?: string | null;
            /** @description Why there is no rate: the row has no input tokens. */
            readonly cache_hit_rate_reason?: "no_input_tokens" | null;
            /** @description What billed cache reads saved against the price of uncached tokens, less what billed cache writes cost beyond it. Null if that price was not billed in USD in the month. */
            readonly cache_savings?: string | null;
            /** @description Why there are no savings: the price of uncached tokens was not billed in USD in the month, or the row is in another currency. */
            readonly cache_savings_reason?: ("no_price" | "other_currency") | null;
            readonly connection?: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window?: string | null;
            readonly cost_type?: string | null;
            readonly currency?: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day?: string;
            readonly description?: string | null;
            readonly inference_geo?: string | null;
            readonly model?: string | null;
            /** @example 2026-01 */
            readonly month?: string;
            /** @description Why there is no price: the row has no tokens, none of them was billed, or they were billed in another currency. */
            readonly reason: ("no_tokens" | "not_billed" | "other_currency") | null;
            readonly service_tier?: string | null;
            readonly token_type?: string | null;
            /**
             * @description A whole number as text, since JavaScript rounds numbers beyond 2^53.
             * @example 23001293181
             */
            readonly tokens: string;
            /**
             * @description The part of `amount` that no counted tokens belong to, such as web searches.
             * @example 12.3456789
             */
            readonly unmatched_amount: string;
            /**
             * @description The part of `tokens` that was not billed, such as those of the priority tier.
             * @example 23001293181
             */
            readonly unpriced_tokens: string;
            /** @description What a million of the tokens that were billed cost. */
            readonly usd_per_million: string | null;
            /**
             * Format: date
             * @description The Monday of a week.
             * @example 2026-01-31
             */
            readonly week?: string;
            /** @description The default workspace has no id. */
            readonly workspace?: {
                readonly id: string | null;
                readonly name: string;
            };
        } & {
            readonly [key: string]: string | null;
        };
        readonly UnitCosts: {
            /** @description When the newest of the days was read; null if none was. It differs from page to page exactly if a sync wrote in between: its last digits stand for all days, so compare it as a text. */
            readonly as_of: string | null;
            readonly compare?: components["schemas"]["ComparedRange"];
            readonly data: readonly components["schemas"]["UnitCostRow"][];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description As in the request. */
            readonly group_by: readonly string[];
            /** @description Days of the range that are still to be read. */
            readonly missing_days: number;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            readonly other?: components["schemas"]["OtherUnitCosts"];
            /** @description Costs in other currencies. No sum in USD contains them. */
            readonly other_currencies: readonly {
                /**
                 * @description An exact decimal in major units.
                 * @example 12.3456789
                 */
                readonly amount: string;
                readonly currency: string;
            }[];
            /** @description Days of the range that were read and that Anthropic may still change. */
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            readonly total: components["schemas"]["UnitCost"];
            /** @description Days of the range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
            readonly uncovered_days: number;
        };
        readonly Usage: {
            /** @description When the newest of the days was read; null if none was. It differs from page to page exactly if a sync wrote in between: its last digits stand for all days, so compare it as a text. */
            readonly as_of: string | null;
            readonly compare?: components["schemas"]["ComparedRange"];
            readonly data: readonly components["schemas"]["UsageRow"][];
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly from: string;
            /** @description As in the request. */
            readonly group_by: readonly string[];
            /** @description Days of the range that are still to be read. */
            readonly missing_days: number;
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
            /** @description Days of the range that were read and that Anthropic may still change. */
            readonly provisional_days: number;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly to: string;
            readonly totals: components["schemas"]["UsageCounts"];
            /** @description The counts of the earlier range, if the query compares. */
            readonly totals_previous?: components["schemas"]["UsageCounts"];
            /** @description Days of the range that the sums do not contain, or contain only in part: days after today, days before a connection began, and days that no connection has. An ended connection has its days up to its end; a purged connection has none. Such a day is unknown and not zero. */
            readonly uncovered_days: number;
        };
        readonly UsageChanges: {
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_creation_1h: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_creation_5m: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_read_input_tokens: number;
            /**
             * @description Counts that this release does not know by name, under their dotted path in the report. Zeros are left out. A count whose name ends in `tokens` is a count of tokens and is part of the total of its day. Exact, like the others; a decimal that JavaScript would round is text.
             * @example {
             *       "cache_creation.ephemeral_24h_input_tokens": 500
             *     }
             */
            readonly other_counts: {
                readonly [key: string]: number | string;
            };
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly output_tokens: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly uncached_input_tokens: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly web_search_requests: number;
        };
        readonly UsageCounts: {
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_creation_1h: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_creation_5m: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_read_input_tokens: number;
            /**
             * @description Counts that this release does not know by name, under their dotted path in the report. Zeros are left out. A count whose name ends in `tokens` is a count of tokens and is part of the total of its day. Exact, like the others; a decimal that JavaScript would round is text.
             * @example {
             *       "cache_creation.ephemeral_24h_input_tokens": 500
             *     }
             */
            readonly other_counts: {
                readonly [key: string]: number | string;
            };
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly output_tokens: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly uncached_input_tokens: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly web_search_requests: number;
        };
        /** @description Has the fields of `group_by`; a tag is the field `tag.<key>`. Null stands for a value that Anthropic did not report, and for a tag that the workspace does not have. */
        readonly UsageRow: {
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_creation_1h: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_creation_5m: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly cache_read_input_tokens: number;
            /** @description The counts of the range less those of the earlier one. */
            readonly change?: components["schemas"]["UsageChanges"];
            readonly connection?: {
                /**
                 * Format: uuid
                 * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
                 */
                readonly id: string;
                readonly name: string;
            };
            readonly context_window?: string | null;
            readonly cost_type?: string | null;
            readonly currency?: string | null;
            /**
             * Format: date
             * @description A UTC day.
             * @example 2026-01-31
             */
            readonly day?: string;
            readonly description?: string | null;
            readonly inference_geo?: string | null;
            readonly model?: string | null;
            /** @example 2026-01 */
            readonly month?: string;
            /**
             * @description Counts that this release does not know by name, under their dotted path in the report. Zeros are left out. A count whose name ends in `tokens` is a count of tokens and is part of the total of its day. Exact, like the others; a decimal that JavaScript would round is text.
             * @example {
             *       "cache_creation.ephemeral_24h_input_tokens": 500
             *     }
             */
            readonly other_counts: {
                readonly [key: string]: number | string;
            };
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly output_tokens: number;
            /** @description The counts of the earlier range, if the query compares. */
            readonly previous?: components["schemas"]["UsageCounts"];
            readonly service_tier?: string | null;
            readonly token_type?: string | null;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly uncached_input_tokens: number;
            /** @description Exact. JavaScript rounds numbers beyond 2^53, so read those with a parser that keeps large whole numbers. */
            readonly web_search_requests: number;
            /**
             * Format: date
             * @description The Monday of a week.
             * @example 2026-01-31
             */
            readonly week?: string;
            /** @description The default workspace has no id. */
            readonly workspace?: {
                readonly id: string | null;
                readonly name: string;
            };
        } & {
            readonly [key: string]: string | null;
        };
        /** @description Meterline waits before it tries again what failed. */
        readonly Waiting: {
            /** @description How many attempts failed in a row. */
            readonly attempt: number;
            /** @description How the last attempt failed. */
            readonly error: components["schemas"]["Failure"];
            readonly next_try_at: string | null;
        };
        readonly WhoAmI: {
            /**
             * @description The name that events show: that of its token, or `console` for a link.
             * @example console
             */
            readonly name: string;
            /** @enum {string} */
            readonly role: "admin" | "viewer";
            /** @description Null for a request with a token in its header. */
            readonly session: components["schemas"]["Session"] | null;
        };
        /** @description An alert that a correction undid. */
        readonly WithdrawnAlert: {
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly fired_at: string;
            /**
             * Format: uuid
             * @example 0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly notice_id: string;
            /**
             * Format: date-time
             * @example 2026-01-31T06:12:00.000Z
             */
            readonly withdrawn_at: string;
        };
        readonly Workflow: {
            /** @description The address of this workflow in Temporal's UI; null if the API does not know that UI. */
            readonly url: string | null;
            /**
             * @description The workflow's id in Temporal.
             * @example connection-0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b
             */
            readonly workflow_id: string;
        };
        readonly Workspace: {
            /** @description Null: it is not archived. */
            readonly archived_at: string | null;
            /** @description As Anthropic reports it. */
            readonly created_at: string | null;
            /**
             * @description The default workspace has no id.
             * @example wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ
             */
            readonly id: string | null;
            /** @example Production */
            readonly name: string;
            /** @description Every name that it had, oldest first. The last one is its name now. */
            readonly names: readonly {
                /**
                 * Format: date
                 * @description The UTC day on which Meterline first read it.
                 * @example 2026-01-31
                 */
                readonly first_seen: string;
                readonly name: string;
            }[];
            /** @description When Meterline last read it. */
            readonly read_at: string | null;
            /** @description Its tags as last read, by key. A changed value is first seen anew. */
            readonly tags: readonly {
                /**
                 * Format: date
                 * @description The UTC day on which Meterline first read it.
                 * @example 2026-01-31
                 */
                readonly first_seen: string;
                readonly key: string;
                readonly value: string;
            }[];
        };
        readonly WorkspaceList: {
            readonly data: readonly components["schemas"]["Workspace"][];
            /** @description The `after` of the next page; null on the last one. */
            readonly next: string | null;
        };
    };
    responses: {
        /**
         * @description `forbidden`: The token of this request has the role "viewer", which does not allow this.
         *
         *     `foreign_origin`: A browser sent this request, or the cookie of one, and not from a page at the public address of this deployment.
         */
        readonly Forbidden: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#forbidden",
                 *       "title": "The token of this request has the role \"viewer\", which does not allow this.",
                 *       "status": 403,
                 *       "detail": "The token of this request has the role \"viewer\", which does not allow this.",
                 *       "code": "forbidden",
                 *       "action": "Use a token with the role \"admin\"."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `too_large`: The address and the headers are larger than 8 kB. */
        readonly HeadersTooLarge: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#too_large",
                 *       "title": "The request is larger than the API accepts.",
                 *       "status": 431,
                 *       "detail": "The request is larger than the API accepts.",
                 *       "code": "too_large",
                 *       "action": "Send less. An allocation document may have 256 KB, any other request 16 KB."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `internal`: Meterline failed because of a defect of its own, and did not complete this. */
        readonly InternalError: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#internal",
                 *       "title": "Meterline failed because of a defect of its own, and did not complete this.",
                 *       "status": 500,
                 *       "detail": "Meterline failed because of a defect of its own, and did not complete this.",
                 *       "code": "internal",
                 *       "action": "Report it with the lines of the log: the log of the API has the id of the request, the log of the worker has the workflow id of the sync."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_request`: The request does not fit this document. `errors` says what is wrong and where. */
        readonly InvalidRequest: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#invalid_request",
                 *       "title": "The request does not fit the API.",
                 *       "status": 400,
                 *       "detail": "The request does not fit the API.",
                 *       "code": "invalid_request",
                 *       "action": "Correct what errors lists. /docs describes every request.",
                 *       "errors": [
                 *         {
                 *           "path": "body.name",
                 *           "message": "must not be empty"
                 *         }
                 *       ]
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `method_not_allowed`: This path does not support this method. */
        readonly MethodNotAllowed: {
            headers: {
                /** @description The methods that this path supports. */
                readonly Allow: string;
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#method_not_allowed",
                 *       "title": "This path does not support this method.",
                 *       "status": 405,
                 *       "detail": "This path does not support this method.",
                 *       "code": "method_not_allowed",
                 *       "action": "Use a method that the header Allow names."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `not_found`: No resource has this path or id. */
        readonly NotFound: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#not_found",
                 *       "title": "No resource has this path or id.",
                 *       "status": 404,
                 *       "detail": "No resource has this path or id.",
                 *       "code": "not_found",
                 *       "action": "Check the path and the id."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `invalid_request`: The request took too long to arrive. */
        readonly RequestTimeout: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#invalid_request",
                 *       "title": "The request does not fit the API.",
                 *       "status": 408,
                 *       "detail": "The request does not fit the API.",
                 *       "code": "invalid_request",
                 *       "action": "Correct what errors lists. /docs describes every request."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `too_large`: The body is larger than 16 kB. */
        readonly TooLarge: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#too_large",
                 *       "title": "The request is larger than the API accepts.",
                 *       "status": 413,
                 *       "detail": "The request is larger than the API accepts.",
                 *       "code": "too_large",
                 *       "action": "Send less. An allocation document may have 256 KB, any other request 16 KB."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `too_many_requests`: This token has too many requests in progress, or this address sent too many requests without a valid token. */
        readonly TooManyRequests: {
            headers: {
                /** @description Seconds to wait. */
                readonly "Retry-After": number;
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#too_many_requests",
                 *       "title": "This token has too many requests in progress, or this address sent too many requests without a valid token.",
                 *       "status": 429,
                 *       "detail": "This token has too many requests in progress, or this address sent too many requests without a valid token.",
                 *       "code": "too_many_requests",
                 *       "action": "Wait as long as the header Retry-After says, then send fewer requests at once, each with a valid token."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unauthorized`: The request has no valid token, and no session. */
        readonly Unauthorized: {
            headers: {
                /** @description `Bearer`. */
                readonly "WWW-Authenticate": string;
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#unauthorized",
                 *       "title": "The request has no valid token, and no session.",
                 *       "status": 401,
                 *       "detail": "The request has no valid token, and no session.",
                 *       "code": "unauthorized",
                 *       "action": "Send the header \"Authorization: Bearer <token>\" with a valid token; in a browser, sign in again."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description `unavailable`: Postgres or Temporal is not available to the API. */
        readonly Unavailable: {
            headers: {
                readonly [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "type": "/docs#unavailable",
                 *       "title": "Postgres or Temporal is not available to the API.",
                 *       "status": 503,
                 *       "detail": "Postgres or Temporal is not available to the API.",
                 *       "code": "unavailable",
                 *       "action": "The detail or /readyz says which one. Start or repair it, and try again; the API needs no restart."
                 *     }
                 */
                readonly "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    readonly getHealth: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description This process answers. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Health"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
        };
    };
    readonly getReadiness: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Both are available. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Readiness"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getAllocation: {
        readonly parameters: {
            readonly query?: {
                /** @description The document in force in this month. Without it, in the running one. */
                readonly month?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The version in force. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Allocation"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly putAllocation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewAllocation"];
            };
        };
        readonly responses: {
            /** @description The stored version. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Allocation"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            /** @description `invalid_allocation`: The allocation document has the right form, but cannot be carried out. */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#invalid_allocation",
                     *       "title": "The allocation document has the right form, but cannot be carried out.",
                     *       "status": 422,
                     *       "detail": "The allocation document has the right form, but cannot be carried out.",
                     *       "code": "invalid_allocation",
                     *       "action": "Correct what errors lists. Each error names the rule or the pool that it is about."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly previewAllocation: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["PreviewedAllocation"];
            };
        };
        readonly responses: {
            /** @description Each cost center before and after. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AllocationPreview"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            /** @description `invalid_allocation`: The allocation document has the right form, but cannot be carried out. */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#invalid_allocation",
                     *       "title": "The allocation document has the right form, but cannot be carried out.",
                     *       "status": 422,
                     *       "detail": "The allocation document has the right form, but cannot be carried out.",
                     *       "code": "invalid_allocation",
                     *       "action": "Correct what errors lists. Each error names the rule or the pool that it is about."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listAllocationVersions: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of versions. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": {
                        readonly data: readonly components["schemas"]["AllocationVersion"][];
                        /** @description The `after` of the next page; null on the last one. */
                        readonly next: string | null;
                    };
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listAnomalies: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only anomalies of this connection. */
                readonly connection_id?: string;
                /** @description Only anomalies with a day on or after this one. */
                readonly from?: string;
                /** @description Only anomalies of this kind. */
                readonly kind?: "spike" | "drop" | "level_shift" | "drift" | "offsetting" | "new_spend";
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only anomalies in this state. */
                readonly state?: "open" | "closed" | "withdrawn";
                /** @description Only anomalies with a day on or before this one. */
                readonly to?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of anomalies. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AnomalyList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getAnomaly: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The anomaly. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Anomaly"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly giveAnomalyFeedback: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["AnomalyFeedback"];
            };
        };
        readonly responses: {
            /** @description The anomaly with its feedback. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Anomaly"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getAnomalySettings: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The settings. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AnomalySettings"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly setAnomalySettings: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["AnomalySettings"];
            };
        };
        readonly responses: {
            /** @description The settings as they are now. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AnomalySettings"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listBudgets: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of budgets. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BudgetList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly createBudget: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewBudget"];
            };
        };
        readonly responses: {
            /** @description The budget as it stands. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Budget"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getBudget: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The budget as it stands. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Budget"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly deleteBudget: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The budget is deleted. */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly changeBudget: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: {
            readonly content: {
                readonly "application/json": components["schemas"]["BudgetChange"];
            };
        };
        readonly responses: {
            /** @description The budget as it stands. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Budget"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly replayBudget: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["BudgetReplay"];
            };
        };
        readonly responses: {
            /** @description What it would have told, oldest first. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["BudgetReplayed"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listChannels: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of channels. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ChannelList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly createChannel: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewChannel"];
            };
        };
        readonly responses: {
            /** @description The channel, without its secrets. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Channel"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getChannel: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The channel, without its secrets. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Channel"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly deleteChannel: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The channel is deleted. */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly changeChannel: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: {
            readonly content: {
                readonly "application/json": components["schemas"]["ChannelChange"];
            };
        };
        readonly responses: {
            /** @description The channel as it is now. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Channel"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly testChannel: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Each address has answered. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ChannelTest"];
                };
            };
            /** @description Some address has not answered yet; its delivery goes on. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ChannelTest"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listChargebackMonths: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The months, the latest first. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ChargebackMonths"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getChargeback: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only lines of these connections; repeat it for several. Shares are of all connections all the same. */
                readonly connection_id?: readonly string[];
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description How to group the rows: any of `cost_center`, `connection`, `workspace`, `model`, `token_type`, `context_window`, `service_tier`, `inference_geo`, `cost_type`, `description`, `currency`, at most one of `day`, `week`, `month`, and `tag.<key>` for a tag of workspaces, separated by commas, each at most once. `week` is the Monday of the week. */
                readonly group_by?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description An earlier statement of a month that was reopened. Without it, the month as it stands. */
                readonly revision?: number;
            };
            readonly header?: never;
            readonly path: {
                /** @description A UTC month. */
                readonly month: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of rows, with the totals of the month. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `missing_days` of JSON. Only in CSV. */
                    readonly "Meterline-Missing-Days"?: string;
                    /** @description `other_currencies` as JSON; absent if there are none. Only in CSV. */
                    readonly "Meterline-Other-Currencies"?: string;
                    /** @description `provisional_days` of JSON. Only in CSV. */
                    readonly "Meterline-Provisional-Days"?: string;
                    /** @description `state` of JSON. Only in CSV. */
                    readonly "Meterline-State"?: string;
                    /** @description `total` of JSON. Only in CSV. */
                    readonly "Meterline-Total"?: string;
                    /** @description `total_adjustment` of JSON. Only in CSV. */
                    readonly "Meterline-Total-Adjustment"?: string;
                    /** @description `unallocated.amount` of JSON. Only in CSV. */
                    readonly "Meterline-Unallocated"?: string;
                    /** @description `uncovered_days` of JSON. Only in CSV. */
                    readonly "Meterline-Uncovered-Days"?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Chargeback"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly closeMonth: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A UTC month. */
                readonly month: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: {
            readonly content: {
                readonly "application/json": components["schemas"]["Closing"];
            };
        };
        readonly responses: {
            /** @description The statement. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ClosedMonth"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getJournal: {
        readonly parameters: {
            readonly query?: {
                /** @description Only lines of these connections; repeat it for several. Shares are of all connections all the same. */
                readonly connection_id?: readonly string[];
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description An earlier statement of a month that was reopened. Without it, the month as it stands. */
                readonly revision?: number;
            };
            readonly header?: never;
            readonly path: {
                /** @description A UTC month. */
                readonly month: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Every entry. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `state` of JSON. Only in CSV. */
                    readonly "Meterline-State"?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Journal"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listChargebackLines: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only lines of these connections; repeat it for several. Shares are of all connections all the same. */
                readonly connection_id?: readonly string[];
                /** @description Only what belongs to this cost center; empty for what belongs to nobody. Without it, everything. */
                readonly cost_center?: string;
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description An earlier statement of a month that was reopened. Without it, the month as it stands. */
                readonly revision?: number;
            };
            readonly header?: never;
            readonly path: {
                /** @description A UTC month. */
                readonly month: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of lines, by day. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `state` of JSON. Only in CSV. */
                    readonly "Meterline-State"?: string;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ChargebackLines"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly reopenMonth: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description A UTC month. */
                readonly month: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Reopening"];
            };
        };
        readonly responses: {
            /** @description The statement that no longer counts. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ClosedMonth"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listConnections: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only connections in this status. */
                readonly status?: "validating" | "discovering" | "backfilling" | "active" | "degraded" | "awaiting_key" | "paused" | "refused" | "disconnected";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of connections. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ConnectionList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly connectOrganization: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewConnection"];
            };
        };
        readonly responses: {
            /** @description Anthropic accepted the key, and the backfill begins. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            /** @description The connection is stored and there is no verdict on the key yet; Meterline tries it again on its own. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /**
             * @description `already_connected`: The organization of this key already has a connection.
             *
             *     `conflict`: The request is well formed, but contradicts itself or the current state.
             */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#already_connected",
                     *       "title": "The organization of this key already has a connection.",
                     *       "status": 409,
                     *       "detail": "The organization of this key already has a connection.",
                     *       "code": "already_connected",
                     *       "action": "Use the connection that the reply names. To change its key, rotate it; to start again, disconnect it first."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            /**
             * @description `key_format`: This is not a whole Anthropic Admin API key. Admin API keys start with "sk-ant-admin" and contain no spaces.
             *
             *     `key_invalid`: Anthropic does not accept this Admin API key: it is wrong, revoked or expired.
             *
             *     `key_forbidden`: Anthropic knows this key but does not allow it to read organization data.
             *
             *     `individual_account`: This key belongs to an individual account. Anthropic has an Admin API only for organizations.
             */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#key_format",
                     *       "title": "This is not a whole Anthropic Admin API key. Admin API keys start with \"sk-ant-admin\" and contain no spaces.",
                     *       "status": 422,
                     *       "detail": "This is not a whole Anthropic Admin API key. Admin API keys start with \"sk-ant-admin\" and contain no spaces.",
                     *       "code": "key_format",
                     *       "action": "Copy the whole key again, without spaces or line breaks. An organization admin creates one in the Claude Console under Settings, Admin keys."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getConnection: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The connection. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly disconnectOrganization: {
        readonly parameters: {
            readonly query?: {
                /** @description Also delete all data of the connection. This cannot be undone. */
                readonly purge?: boolean;
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The connection is disconnected. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            /** @description The worker will disconnect it. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly renameConnection: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["Renaming"];
            };
        };
        readonly responses: {
            /** @description The connection. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly extendHistory: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["BackfillRequest"];
            };
        };
        readonly responses: {
            /** @description The worker will read the new days. Nothing changes if the connection begins as early already. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getCoverage: {
        readonly parameters: {
            readonly query?: {
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description Only days in this state in cost or in usage. `disagreeing` selects the flagged days: those with a `disagrees_with`. */
                readonly state?: "missing" | "provisional" | "final" | "disagreeing";
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The days of the range that lie within the connection, and the number of the other days. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["CoverageList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listEvents: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only events of this type. */
                readonly type?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of events. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["EventList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listKeys: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only keys in this state. */
                readonly state?: "candidate" | "active" | "superseded" | "refused" | "destroyed";
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of keys. Of each key, only the last four characters are shown. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["KeyList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly addKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewKey"];
            };
        };
        readonly responses: {
            /** @description The key is stored and not used. It is destroyed after 24 hours unless the signal asks to use it. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["AddedKey"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            /** @description `key_format`: This is not a whole Anthropic Admin API key. Admin API keys start with "sk-ant-admin" and contain no spaces. */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#key_format",
                     *       "title": "This is not a whole Anthropic Admin API key. Admin API keys start with \"sk-ant-admin\" and contain no spaces.",
                     *       "status": 422,
                     *       "detail": "This is not a whole Anthropic Admin API key. Admin API keys start with \"sk-ant-admin\" and contain no spaces.",
                     *       "code": "key_format",
                     *       "action": "Copy the whole key again, without spaces or line breaks. An organization admin creates one in the Claude Console under Settings, Admin keys."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly discardKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
                /** @description The id, from a list. */
                readonly keyId: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The key is destroyed and will never become active. */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly pauseConnection: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The connection is paused. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            /** @description The worker will pause it. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listRestatements: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only restatements of this UTC day and later ones. */
                readonly from?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only restatements of this report. */
                readonly report?: "cost" | "usage";
                /** @description Only restatements of this UTC day and earlier ones. */
                readonly to?: string;
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of restatements. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["RestatementList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly resumeConnection: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The connection is resumed. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            /** @description The worker will resume it. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly rotateKey: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewKey"];
            };
        };
        readonly responses: {
            /** @description The new key is active. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            /** @description The key is stored and there is no verdict yet; Meterline tries it again on its own. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /**
             * @description `already_connected`: The organization of this key already has a connection.
             *
             *     `key_overtaken`: Somebody asked for a later key, and Anthropic accepted that key before its verdict on this one.
             *
             *     `conflict`: The request is well formed, but contradicts itself or the current state.
             */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#already_connected",
                     *       "title": "The organization of this key already has a connection.",
                     *       "status": 409,
                     *       "detail": "The organization of this key already has a connection.",
                     *       "code": "already_connected",
                     *       "action": "Use the connection that the reply names. To change its key, rotate it; to start again, disconnect it first."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            /**
             * @description `key_format`: This is not a whole Anthropic Admin API key. Admin API keys start with "sk-ant-admin" and contain no spaces.
             *
             *     `key_invalid`: Anthropic does not accept this Admin API key: it is wrong, revoked or expired.
             *
             *     `key_forbidden`: Anthropic knows this key but does not allow it to read organization data.
             *
             *     `individual_account`: This key belongs to an individual account. Anthropic has an Admin API only for organizations.
             *
             *     `organization_mismatch`: This key belongs to another organization than this connection.
             */
            readonly 422: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#key_format",
                     *       "title": "This is not a whole Anthropic Admin API key. Admin API keys start with \"sk-ant-admin\" and contain no spaces.",
                     *       "status": 422,
                     *       "detail": "This is not a whole Anthropic Admin API key. Admin API keys start with \"sk-ant-admin\" and contain no spaces.",
                     *       "code": "key_format",
                     *       "action": "Copy the whole key again, without spaces or line breaks. An organization admin creates one in the Claude Console under Settings, Admin keys."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly syncConnection: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: {
            readonly content: {
                readonly "application/json": components["schemas"]["SyncRequest"];
            };
        };
        readonly responses: {
            /** @description The worker will read. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Connection"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listSyncs: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only syncs of this kind. */
                readonly kind?: "backfill" | "daily" | "catch_up" | "manual";
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only syncs in this state. */
                readonly state?: "running" | "succeeded" | "failed";
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of syncs. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SyncList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listWorkspaces: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of workspaces. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WorkspaceList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getCosts: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Compares with the range just before, or with the one a month or a year earlier. With `week` or `month` in `group_by`, both ranges must consist of whole ones. */
                readonly compare?: "previous" | "month" | "year";
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly context_window?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly cost_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly currency?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly description?: readonly string[];
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description How to group the rows: any of `connection`, `workspace`, `model`, `token_type`, `context_window`, `service_tier`, `inference_geo`, `cost_type`, `description`, `currency`, at most one of `day`, `week`, `month`, and `tag.<key>` for a tag of workspaces, separated by commas, each at most once. `week` is the Monday of the week. */
                readonly group_by?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly inference_geo?: readonly string[];
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly model?: readonly string[];
                /** @description All connections but these; repeat it for several. */
                readonly "not.connection_id"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.context_window"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.cost_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.currency"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.description"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.inference_geo"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.model"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.service_tier"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.token_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly "not.workspace"?: readonly string[];
                /** @description `key` gives pages in the order of the groups. `-amount` gives the largest rows first, without further pages, and adds up the other ones in `other`. */
                readonly order?: "key" | "-amount";
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly service_tier?: readonly string[];
                /** @description Filters by tags of workspaces: `tag.team=platform` takes the workspaces with that tag, and `not.tag.team=platform` all others. An empty value stands for workspaces without the tag. Repeat a parameter for several values. */
                readonly tags?: {
                    readonly [key: string]: string;
                };
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly token_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly workspace?: readonly string[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of rows, with the total of the whole range. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `as_of` of JSON; absent if no day was read. Only in CSV. */
                    readonly "Meterline-As-Of"?: string;
                    /** @description `missing_days` of JSON. Only in CSV. */
                    readonly "Meterline-Missing-Days"?: number;
                    /** @description `other_currencies` as JSON; absent if there are none. Only in CSV. */
                    readonly "Meterline-Other-Currencies"?: string;
                    /** @description `compare.missing_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Missing-Days"?: number;
                    /** @description `compare.provisional_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Provisional-Days"?: number;
                    /** @description `compare.uncovered_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Uncovered-Days"?: number;
                    /** @description `provisional_days` of JSON. Only in CSV. */
                    readonly "Meterline-Provisional-Days"?: number;
                    /** @description `total` of JSON. Only in CSV. */
                    readonly "Meterline-Total"?: string;
                    /** @description `total_previous` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Total-Previous"?: string;
                    /** @description `uncovered_days` of JSON. Only in CSV. */
                    readonly "Meterline-Uncovered-Days"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Costs"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getCostChanges: {
        readonly parameters: {
            readonly query: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Compares with the range just before, or with the one a month or a year earlier. With `week` or `month` in `group_by`, both ranges must consist of whole ones. */
                readonly compare: "previous" | "month" | "year";
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly context_window?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly cost_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly currency?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly description?: readonly string[];
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description How to group the rows: any of `connection`, `workspace`, `model`, `token_type`, `context_window`, `service_tier`, `inference_geo`, `cost_type`, `description`, `currency`, and `tag.<key>` for a tag of workspaces, separated by commas, each at most once. */
                readonly group_by?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly inference_geo?: readonly string[];
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly model?: readonly string[];
                /** @description All connections but these; repeat it for several. */
                readonly "not.connection_id"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.context_window"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.cost_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.currency"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.description"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.inference_geo"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.model"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.service_tier"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.token_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly "not.workspace"?: readonly string[];
                /** @description `key` gives pages in the order of the groups. `-amount` gives the largest changes first, up or down, without further pages, and adds up the other ones in `other`. */
                readonly order?: "key" | "-amount";
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly service_tier?: readonly string[];
                /** @description Filters by tags of workspaces: `tag.team=platform` takes the workspaces with that tag, and `not.tag.team=platform` all others. An empty value stands for workspaces without the tag. Repeat a parameter for several values. */
                readonly tags?: {
                    readonly [key: string]: string;
                };
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly token_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly workspace?: readonly string[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of rows, with the total of all rows. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `as_of` of JSON; absent if no day was read. Only in CSV. */
                    readonly "Meterline-As-Of"?: string;
                    /** @description `missing_days` of JSON. Only in CSV. */
                    readonly "Meterline-Missing-Days"?: number;
                    /** @description `other_currencies` as JSON; absent if there are none. Only in CSV. */
                    readonly "Meterline-Other-Currencies"?: string;
                    /** @description `compare.missing_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Missing-Days"?: number;
                    /** @description `compare.provisional_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Provisional-Days"?: number;
                    /** @description `compare.uncovered_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Uncovered-Days"?: number;
                    /** @description `provisional_days` of JSON. Only in CSV. */
                    readonly "Meterline-Provisional-Days"?: number;
                    /** @description `total` as JSON. Only in CSV. */
                    readonly "Meterline-Total"?: string;
                    /** @description `uncovered_days` of JSON. Only in CSV. */
                    readonly "Meterline-Uncovered-Days"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Changes"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getDayStates: {
        readonly parameters: {
            readonly query?: {
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description All connections but these; repeat it for several. */
                readonly "not.connection_id"?: readonly string[];
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description Every day of the range, oldest first. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Coverage"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listDeliveries: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only deliveries to this channel, also after it was deleted. */
                readonly channel_id?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only deliveries of this notice. */
                readonly notice_id?: string;
                /** @description Only deliveries in this state. */
                readonly state?: "pending" | "sending" | "sent" | "unknown" | "failed" | "held";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of deliveries. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DeliveryList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly resendDelivery: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The delivery, which is tried for another day. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Delivery"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listDeploymentEvents: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only events of this type. */
                readonly type?: "token_created" | "token_revoked" | "link_created" | "session_begun" | "session_ended" | "session_revoked" | "allocation_stored" | "month_closed" | "month_reopened" | "channel_created" | "channel_changed" | "channel_tested" | "channel_disabled" | "channel_deleted" | "channel_unsubscribed" | "delivery_resent" | "report_created" | "report_changed" | "report_deleted" | "report_run" | "sensitivity_set" | "budget_created" | "budget_changed" | "budget_deleted";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of events. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["DeploymentEventList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly exportFocus: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true`, a row for each cost center that shares a line, with the amounts of chargeback. The range must consist of whole months, by default the running one. */
                readonly allocated?: "true" | "false";
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description What the file is written in. Without it, the header Accept decides, and it is CSV unless that prefers Parquet. */
                readonly format?: "csv" | "parquet";
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
                /** @description The version of FOCUS. 1.3 has `ProviderName`, `PublisherName` and `InvoiceId` as well. */
                readonly version?: "1.4" | "1.3";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The file. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `as_of` of JSON; absent if no day was read. Only in CSV. */
                    readonly "Meterline-As-Of"?: string;
                    /** @description `missing_days` of JSON. Only in CSV. */
                    readonly "Meterline-Missing-Days"?: number;
                    /** @description `other_currencies` as JSON; absent if there are none. Only in CSV. */
                    readonly "Meterline-Other-Currencies"?: string;
                    /** @description `provisional_days` of JSON. Only in CSV. */
                    readonly "Meterline-Provisional-Days"?: number;
                    /** @description What the rows in USD add up to. Only in CSV. */
                    readonly "Meterline-Total"?: string;
                    /** @description `uncovered_days` of JSON. Only in CSV. */
                    readonly "Meterline-Uncovered-Days"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/vnd.apache.parquet": string;
                    readonly "text/csv": string;
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getFocusMetadata: {
        readonly parameters: {
            readonly query?: {
                /** @description With `true`, a row for each cost center that shares a line, with the amounts of chargeback. The range must consist of whole months, by default the running one. */
                readonly allocated?: "true" | "false";
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description What the file is written in. Without it, the header Accept decides, and it is CSV unless that prefers Parquet. */
                readonly format?: "csv" | "parquet";
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
                /** @description The version of FOCUS. 1.3 has `ProviderName`, `PublisherName` and `InvoiceId` as well. */
                readonly version?: "1.4" | "1.3";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The metadata, in the words of FOCUS. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["FocusMetadata"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getForecast: {
        readonly parameters: {
            readonly query?: {
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly context_window?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly cost_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly currency?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly description?: readonly string[];
                /** @description How to group the rows: any of `connection`, `workspace`, `model`, `token_type`, `context_window`, `service_tier`, `inference_geo`, `cost_type`, and `tag.<key>` for a tag of workspaces, separated by commas, each at most once. */
                readonly group_by?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly inference_geo?: readonly string[];
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly model?: readonly string[];
                /** @description All connections but these; repeat it for several. */
                readonly "not.connection_id"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.context_window"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.cost_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.currency"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.description"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.inference_geo"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.model"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.service_tier"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.token_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly "not.workspace"?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly service_tier?: readonly string[];
                /** @description Filters by tags of workspaces: `tag.team=platform` takes the workspaces with that tag, and `not.tag.team=platform` all others. An empty value stands for workspaces without the tag. Repeat a parameter for several values. */
                readonly tags?: {
                    readonly [key: string]: string;
                };
                /** @description The last day: `month_end`, or a day from today up to a year ahead. */
                readonly through?: "month_end" | string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly token_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly workspace?: readonly string[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description What is expected, or why nothing is. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Forecast"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listNotices: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only notices about this connection. */
                readonly connection_id?: string;
                /** @description Only notices of this kind. */
                readonly kind?: "connected" | "connection_trouble" | "connection_recovered" | "key_rotated" | "day_flagged" | "restated" | "report" | "anomaly" | "budget_threshold" | "test";
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only `open` ones, `closed` ones, or those that proved wrong and are `withdrawn`. */
                readonly state?: "open" | "closed" | "withdrawn";
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of notices. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["NoticeList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listReports: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of reports. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ReportList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly createReport: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewReport"];
            };
        };
        readonly responses: {
            /** @description The report. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Report"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getReport: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The report. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Report"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly deleteReport: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The report is deleted. */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly changeReport: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: {
            readonly content: {
                readonly "application/json": components["schemas"]["ReportChange"];
            };
        };
        readonly responses: {
            /** @description The report as it is now. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Report"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly runReport: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The period was told before. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ReportRun"];
                };
            };
            /** @description The period is told; the deliveries are on their way. */
            readonly 202: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["ReportRun"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The name and the role, and the session if there is one. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["WhoAmI"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly beginSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewSession"];
            };
        };
        readonly responses: {
            /** @description The session, with the header `Set-Cookie`. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Session"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly endSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The session has ended, and the browser drops its cookie. */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listSessions: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of sessions. `/v1/events` has those that ended. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["SessionList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly revokeSession: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The session has ended. The API refuses its cookie from the next request on. */
            readonly 204: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content?: never;
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly listTokens: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of tokens, without the one that `METERLINE_API_TOKEN` sets. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["TokenList"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly createToken: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody: {
            readonly content: {
                readonly "application/json": components["schemas"]["NewToken"];
            };
        };
        readonly responses: {
            /** @description The token. This reply is the only one that shows it. */
            readonly 201: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["MadeToken"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly revokeToken: {
        readonly parameters: {
            readonly query?: never;
            readonly header?: never;
            readonly path: {
                /** @description The id, from a list. */
                readonly id: string;
            };
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description The token is revoked. The API refuses it from the next request on. */
            readonly 200: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Token"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getUnitCosts: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly context_window?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly currency?: readonly string[];
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description How to group the rows: any of `connection`, `workspace`, `model`, `service_tier`, `context_window`, `inference_geo`, `token_type`, `currency`, at most one of `day`, `week`, `month`, and `tag.<key>` for a tag of workspaces, separated by commas, each at most once. `week` is the Monday of the week. */
                readonly group_by?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly inference_geo?: readonly string[];
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly model?: readonly string[];
                /** @description All connections but these; repeat it for several. */
                readonly "not.connection_id"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.context_window"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.currency"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.inference_geo"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.model"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.service_tier"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.token_type"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly "not.workspace"?: readonly string[];
                /** @description `key` gives pages in the order of the groups. `-amount` gives the largest rows first, without further pages, and adds up the other ones in `other`. */
                readonly order?: "key" | "-amount";
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly service_tier?: readonly string[];
                /** @description Filters by tags of workspaces: `tag.team=platform` takes the workspaces with that tag, and `not.tag.team=platform` all others. An empty value stands for workspaces without the tag. Repeat a parameter for several values. */
                readonly tags?: {
                    readonly [key: string]: string;
                };
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly token_type?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly workspace?: readonly string[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of rows, with the total of the whole range. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `as_of` of JSON; absent if no day was read. Only in CSV. */
                    readonly "Meterline-As-Of"?: string;
                    /** @description `missing_days` of JSON. Only in CSV. */
                    readonly "Meterline-Missing-Days"?: number;
                    /** @description `other_currencies` as JSON; absent if there are none. Only in CSV. */
                    readonly "Meterline-Other-Currencies"?: string;
                    /** @description `provisional_days` of JSON. Only in CSV. */
                    readonly "Meterline-Provisional-Days"?: number;
                    /** @description `total` as JSON. Only in CSV. */
                    readonly "Meterline-Total"?: string;
                    /** @description `uncovered_days` of JSON. Only in CSV. */
                    readonly "Meterline-Uncovered-Days"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["UnitCosts"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
    readonly getUsage: {
        readonly parameters: {
            readonly query?: {
                /** @description The `next` of the page before, unchanged. Without it, the first page. It belongs to one list and query. */
                readonly after?: string;
                /** @description Compares with the range just before, or with the one a month or a year earlier. With `week` or `month` in `group_by`, both ranges must consist of whole ones. */
                readonly compare?: "previous" | "month" | "year";
                /** @description Only these connections; repeat it for several. Without it, all connections together. */
                readonly connection_id?: readonly string[];
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly context_window?: readonly string[];
                /** @description CSV has all rows, whatever the limit. Without it, the header Accept decides. */
                readonly format?: "json" | "csv";
                /** @description The first UTC day, inclusive. Without it, 30 days before the last. */
                readonly from?: string;
                /** @description How to group the rows: any of `connection`, `workspace`, `model`, `service_tier`, `context_window`, `inference_geo`, at most one of `day`, `week`, `month`, and `tag.<key>` for a tag of workspaces, separated by commas, each at most once. `week` is the Monday of the week. */
                readonly group_by?: string;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly inference_geo?: readonly string[];
                /** @description The largest number of rows on a page. */
                readonly limit?: number;
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly model?: readonly string[];
                /** @description All connections but these; repeat it for several. */
                readonly "not.connection_id"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.context_window"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.inference_geo"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.model"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly "not.service_tier"?: readonly string[];
                /** @description Only lines with none of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly "not.workspace"?: readonly string[];
                /** @description The order of the groups, the only one of usage. */
                readonly order?: "key";
                /** @description Only lines with one of these values; repeat it for several. An empty value stands for what Anthropic did not report. */
                readonly service_tier?: readonly string[];
                /** @description Filters by tags of workspaces: `tag.team=platform` takes the workspaces with that tag, and `not.tag.team=platform` all others. An empty value stands for workspaces without the tag. Repeat a parameter for several values. */
                readonly tags?: {
                    readonly [key: string]: string;
                };
                /** @description The last UTC day, inclusive. Without it, today. */
                readonly to?: string;
                /** @description Only lines with one of these values; repeat it for several. The id of a workspace; `default` or an empty value is the default workspace. */
                readonly workspace?: readonly string[];
            };
            readonly header?: never;
            readonly path?: never;
            readonly cookie?: never;
        };
        readonly requestBody?: never;
        readonly responses: {
            /** @description A page of rows, with the totals of the whole range. */
            readonly 200: {
                headers: {
                    /** @description The name of the file. Only in CSV. */
                    readonly "Content-Disposition"?: string;
                    /** @description `as_of` of JSON; absent if no day was read. Only in CSV. */
                    readonly "Meterline-As-Of"?: string;
                    /** @description `missing_days` of JSON. Only in CSV. */
                    readonly "Meterline-Missing-Days"?: number;
                    /** @description `compare.missing_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Missing-Days"?: number;
                    /** @description `compare.provisional_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Provisional-Days"?: number;
                    /** @description `compare.uncovered_days` of JSON; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Previous-Uncovered-Days"?: number;
                    /** @description `provisional_days` of JSON. Only in CSV. */
                    readonly "Meterline-Provisional-Days"?: number;
                    /** @description `totals` as JSON, with numbers beyond 2^53 as texts. Only in CSV. */
                    readonly "Meterline-Totals"?: string;
                    /** @description `totals_previous`, likewise; absent without `compare`. Only in CSV. */
                    readonly "Meterline-Totals-Previous"?: string;
                    /** @description `uncovered_days` of JSON. Only in CSV. */
                    readonly "Meterline-Uncovered-Days"?: number;
                    readonly [name: string]: unknown;
                };
                content: {
                    readonly "application/json": components["schemas"]["Usage"];
                    readonly "text/csv": components["schemas"]["Csv"];
                };
            };
            readonly 400: components["responses"]["InvalidRequest"];
            readonly 401: components["responses"]["Unauthorized"];
            readonly 403: components["responses"]["Forbidden"];
            readonly 404: components["responses"]["NotFound"];
            readonly 405: components["responses"]["MethodNotAllowed"];
            readonly 408: components["responses"]["RequestTimeout"];
            /** @description `conflict`: The request is well formed, but contradicts itself or the current state. */
            readonly 409: {
                headers: {
                    readonly [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs#conflict",
                     *       "title": "The request is well formed, but contradicts itself or the current state.",
                     *       "status": 409,
                     *       "detail": "The request is well formed, but contradicts itself or the current state.",
                     *       "code": "conflict",
                     *       "action": "The detail names the contradiction. Change the request or the state, and send the request again."
                     *     }
                     */
                    readonly "application/problem+json": components["schemas"]["Problem"];
                };
            };
            readonly 413: components["responses"]["TooLarge"];
            readonly 429: components["responses"]["TooManyRequests"];
            readonly 431: components["responses"]["HeadersTooLarge"];
            readonly 500: components["responses"]["InternalError"];
            readonly 503: components["responses"]["Unavailable"];
        };
    };
}
