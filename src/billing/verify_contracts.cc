// Contracts: every version and every early end is in the proof log as it stands in the store.
#include <map>

#include "billing/contracts.h"
#include "billing/internal/verify_parts.h"
#include "ledger/proof_log.h"

namespace tg {

Status check_contracts(SqlConnection& store, VerifyReport* report, Problems* problems) {
    std::map<std::string, std::string> leaves;
    TG_CHECK_OK(read_proof_leaves(store, kProofContract, [&leaves](const ProofLeaf& leaf) {
        leaves[leaf.id] = leaf.payload;
        return true;
    }));
    const Result<std::vector<Contract>> contracts = list_contracts(store);
    if (!contracts.ok() && contracts.error().code != ErrorCode::corrupt_data)
        return fail(contracts.error());
    if (!contracts.ok()) {
        problems->add("contracts", contracts.error().detail);
        return {};
    }
    const auto check = [&](const std::string& id, const std::string& document) {
        const auto leaf = leaves.find(id);
        if (leaf == leaves.end())
            problems->add("contracts", id + ": is not in the proof log");
        else if (leaf->second != document)
            problems->add("contracts", id + ": is not what stands in the proof log");
        if (leaf != leaves.end()) leaves.erase(leaf);
    };
    for (const Contract& contract : *contracts) {
        ++report->contracts;
        for (const ContractVersion& version : contract.versions)
            check(contract_leaf_id(contract, version), contract_version_as_json(contract, version));
        if (contract.end_day != contract.last_day)
            check(contract_end_leaf_id(contract), contract_end_as_json(contract));
    }
    for (const auto& [id, document] : leaves)
        problems->add("contracts", id + ": is in the proof log, but not in the store");
    return {};
}

}  // namespace tg
